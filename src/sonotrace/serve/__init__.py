"""A local page and HTTP service around the models."""
