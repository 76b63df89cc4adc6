"""Brain structures: their names and their order."""

from collections.abc import Iterable

from sonotrace.kinds.kind import Kind

STRUCTURES = ("CHOROID_PLEXUS", "CSP", "MIDLINE_FALX")
"""The structures, in the order of the detector's classes."""

PLANE = "brain"
"""The standard plane that shows them."""

AT_MOST = {"CHOROID_PLEXUS": 2, "CSP": 1, "MIDLINE_FALX": 1}
"""How many of each a head has."""


def structure_of(label: str) -> str | None:
    """Return the structure that a label names, which is its name to the letter, or None."""
    return label if label in STRUCTURES else None


def classes_in(_: Iterable[str]) -> tuple[str, ...]:
    """Return the detector's classes: always all of STRUCTURES."""
    return STRUCTURES


KIND = Kind(
    name="structures",
    training="train_yolo",
    model_ending=".pt",
    has_boxes=True,
    per_class="per_structure",
    count_of_classes="boxes_by_structure",
    primary="map50",
    class_of=structure_of,
    out_of_scope=(),
    classes=classes_in,
)
