"""Images that are none of a classifier's classes, to measure whether it says so.

Their labels are free text, such as `cervix` or `hip`: they say what an image is, and no model learns them.
"""

from collections.abc import Iterable

from sonotrace.kinds.kind import Kind


def label_of(label: str) -> str | None:
    """Return the label without blanks around it, or None where nothing is left."""
    return label.strip() or None


def labels_in(labels: Iterable[str]) -> tuple[str, ...]:
    """Return the labels that occur, sorted."""
    return tuple(sorted(set(labels)))


KIND = Kind(
    name="out_of_scope",
    training="",
    model_ending="",
    has_boxes=False,
    per_class="per_label",
    count_of_classes="images_by_label",
    primary="roc_auc",
    class_of=label_of,
    out_of_scope=(),
    classes=labels_in,
)
