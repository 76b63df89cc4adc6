"""What sets one kind of data set apart from another."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Kind:
    """One kind of data set: what its labels are, and the model that learns from them.

    The rooms `labels` and `scores` have a module of the kind's name each.
    """

    name: str
    training: str
    """The stage that trains on it; empty where no model learns such labels."""
    model_ending: str
    """Of the model's file: `models/<data set><ending>`; empty where there is none."""
    has_boxes: bool
    """Whether its labels are boxes in the image, rather than one class per image."""
    per_class: str
    """The key of the scores of each class, in `metrics/*_detail.json`."""
    count_of_classes: str
    """The key of the counts by class, in `reports/<data set>/data.json`."""
    primary: str
    """The one score by which a model is judged worse as a whole (docs/decisions/0008)."""
    class_of: Callable[[str], str | None]
    """Returns the class that a label names, or None for an unknown label."""
    out_of_scope: tuple[str, ...]
    """Classes that labels may name but that are not learnt unless the parameters say so."""
    classes: Callable[[Iterable[str]], tuple[str, ...]]
    """Returns the classes of a model for data so labelled, in the order of its outputs."""

    def model(self, data_set: str) -> Path:
        """Return where the model of a data set is."""
        return Path(f"models/{data_set}{self.model_ending}")
