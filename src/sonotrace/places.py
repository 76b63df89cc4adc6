"""One module a stage; each has `run(...)`, which reads `params.yaml` and writes the outputs.

Where things stand is said once, here.
"""

from pathlib import Path

STATE = Path(".sonotrace")
"""What tools keep between runs, in the checkout; it may be deleted at any time."""
DATA_SETS = ("planes", "structures")
DATA = Path("data")
REPORTS = Path("reports")
METRICS = Path("metrics")
PLOTS = Path("plots")
TRAININGS = {"planes": "train_cnn", "structures": "train_yolo"}
MODELS = {"planes": Path("models/planes.keras"), "structures": Path("models/structures.pt")}


def folder(data_set: str, stage: str) -> Path:
    """Return the folder of a stage's tables and images: `data/<data set>/<stage>`."""
    return DATA / data_set / stage
