"""Pages of the reference that are written out of the code."""
