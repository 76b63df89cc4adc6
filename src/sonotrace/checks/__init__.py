"""What is checked of a snapshot before anything learns from it, and why an image is set apart."""
