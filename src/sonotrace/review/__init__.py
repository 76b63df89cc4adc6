"""Review labels on a local page: the doubtful images one after another, and what a person decides about each."""
