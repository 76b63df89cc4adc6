"""One module a stage; each has `run(...)`, which reads `params.yaml` and writes the outputs.

Where things stand is said once, here.
"""

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
