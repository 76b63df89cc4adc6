"""Use the models on image files."""
