"""Which module uses the models of a kind of data set; each has `load` and `predictions`."""

from collections.abc import Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

from sonotrace.errors import SonotraceError
from sonotrace.kinds.kind import Kind
from sonotrace.models import classifier, detector
from sonotrace.models.files import read_keras_entry, read_yolo_entry


def user(kind: Kind) -> ModuleType:
    """Return the module that uses models of a kind; it imports their framework when it first needs it."""
    return {"planes": classifier, "structures": detector}[kind.name]


def require_same_preparation(
    kind: Kind, content: bytes, path: Path, data_set: str, prepared: Mapping[str, Any]
) -> None:
    """Raise SonotraceError where a data set is prepared otherwise than the images that a model learned from.

    `content` are the bytes of the model file `path`, `prepared` is the section `prepare.<data set>`.
    """
    read = read_yolo_entry if kind.has_boxes else read_keras_entry
    for name, value in read(content, path)["prepare"].items():
        if prepared.get(name) != value:
            raise SonotraceError(
                f"params.yaml: prepare.{data_set}.{name} is {prepared.get(name)!r}, but {path} learned from images "
                f"with {value!r}; set it to that"
            )
