"""Use the models on image files: the plane, the structures, and what went wrong.

Preparation comes from the model files, so an image is treated as in training whatever the
parameters say today.
"""
