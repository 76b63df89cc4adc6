"""What git and `dvc.lock` recorded of runs, read without checking anything out. Nothing here writes."""
