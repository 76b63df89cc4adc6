"""Images and boxes: reading and writing grey images, bringing them to one size, changing them by seed."""
