"""Turn the copies that an annotation service made of an image back into the image and boxes they came from."""
