"""A reproducible, data-versioned workflow for fetal ultrasound."""

__version__ = "0.1.0"
