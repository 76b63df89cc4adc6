"""From your own images to a training run: check them, put them in place, set the parameters (`sonotrace use`)."""
