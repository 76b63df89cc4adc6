"""Standard planes: their names and their order.

The names travel with every table, model and metric; an index has a meaning only beside `PLANES`.
"""

from collections.abc import Iterable

from sonotrace.kinds.kind import Kind

PLANES = ("abdomen", "brain", "femur", "thorax")
"""The planes, in the order of the classifier's outputs."""

OUT_OF_SCOPE = ("cervix", "other")
"""What FETAL_PLANES_DB labels besides: known by name, but no standard plane of the fetus."""

_PLANE_OF = (
    {plane: plane for plane in PLANES + OUT_OF_SCOPE}
    | {f"fetal {plane}": plane for plane in PLANES}
    | {"maternal cervix": "cervix"}
)


def plane_of(label: str) -> str | None:
    """Return which of PLANES or OUT_OF_SCOPE a label such as `Fetal brain` names, or None for any other label.

    The labels known are the classes of FETAL_PLANES_DB (Burgos-Artizzu et al. 2020) and the bare names.
    """
    return _PLANE_OF.get(label.strip().lower())


def classes_in(labels: Iterable[str]) -> tuple[str, ...]:
    """Return the classifier's outputs for planes so labelled: PLANES, and all six if one is beyond them."""
    return PLANES + OUT_OF_SCOPE if set(labels) & set(OUT_OF_SCOPE) else PLANES


KIND = Kind(
    name="planes",
    training="train_cnn",
    model_ending=".keras",
    has_boxes=False,
    per_class="per_plane",
    count_of_classes="images_by_plane",
    primary="macro_f1",
    class_of=plane_of,
    out_of_scope=OUT_OF_SCOPE,
    classes=classes_in,
)
