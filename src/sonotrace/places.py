"""Where things are: the folders of a checkout, named here and nowhere else."""

from pathlib import Path

STATE = Path(".sonotrace")
"""What tools keep between runs, in the checkout; it may be deleted at any time."""
DATA = Path("data")
REPORTS = Path("reports")
METRICS = Path("metrics")
PLOTS = Path("plots")


def folder(data_set: str, stage: str) -> Path:
    """Return the folder of a stage's tables and images: `data/<data set>/<stage>`."""
    return DATA / data_set / stage
