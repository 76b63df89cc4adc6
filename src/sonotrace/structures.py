"""Brain structures: their names and their order."""

STRUCTURES = ("CHOROID_PLEXUS", "CSP", "MIDLINE_FALX")
"""The structures, in the order of the detector's classes."""
