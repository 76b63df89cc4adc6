"""The parameters that differ between the drawn images that the project ships with and real ones.

By kind of data set: key without the data set's name -> value. docs/results.md says what the real ones give.
"""

from collections.abc import Mapping
from typing import Any

REAL: dict[str, dict[str, Any]] = {
    "planes": {
        "prepare.width": 224,
        "prepare.height": 224,
        "augment.copies": 7,
        "augment.policy": "limits",
        "augment.rotation": [0, 30],
        "augment.shift": 0.12,
        "augment.zoom": 0.3,
        "augment.shear": 0,
        "augment.stretch": 0.5,
        "augment.blur": 1.8,
        "augment.brightness": 0.05,
        "augment.contrast": 0.2,
        "augment.gamma": 0.8,
        "augment.speckle": 0.3,
        "augment.blank": 0.4,
        "augment.border": 0.15,
        "augment.share": 0.35,
        "train_cnn.architecture": "efficientnet_lite0",
        "train_cnn.weights": "imagenet",
        "train_cnn.epochs": 8,
        "train_cnn.batch": 32,
        "train_cnn.learning_rate": 0.0005,
    },
    "structures": {
        "train_yolo.imgsz": 320,
        "train_yolo.rect": True,
        "train_yolo.epochs": 20,
        "train_yolo.batch": 8,
        "train_yolo.nominal_batch": 8,
    },
    "out_of_scope": {},
}
"""For real images."""

DRAWN: dict[str, dict[str, Any]] = {
    "planes": {
        "pull.patient_pattern": r"^Patient(?P<patient>\d+)_",
        "pull.incoming.table": "image_label.csv",
        "validate.max_quarantined": 0.05,
        "validate.conflicting_labels": "stop",
        "validate.classes": "four",
        "split.use_official": False,
        "prepare.width": 256,
        "prepare.height": 256,
        "augment.copies": 5,
        "augment.policy": "limits",
        "augment.rotation": [0, 15],
        "augment.shift": 0.1,
        "augment.zoom": 0.1,
        "augment.shear": 0.1,
        "augment.stretch": 0,
        "augment.blur": 0,
        "augment.brightness": 0.1,
        "augment.contrast": 0.2,
        "augment.gamma": 0,
        "augment.speckle": 0,
        "augment.blank": 0,
        "augment.border": 0,
        "augment.share": 1,
        "train_cnn.architecture": "residual",
        "train_cnn.weights": "none",
        "train_cnn.epochs": 12,
        "train_cnn.batch": 16,
        "train_cnn.learning_rate": 0.002,
    },
    "structures": {
        "pull.patient_pattern": r"^(?P<patient>\d+)_\d*HC",
        "validate.max_quarantined": 0.05,
        "validate.conflicting_labels": "stop",
        "validate.copies": "keep",
        "split.use_official": False,
        "train_yolo.imgsz": 256,
        "train_yolo.rect": True,
        "train_yolo.epochs": 5,
        "train_yolo.batch": 4,
        "train_yolo.nominal_batch": 4,
    },
    "out_of_scope": {},
}
"""As shipped, for drawn images: all that is in REAL, and what `sonotrace use` may ask to be set for real images."""


def real(data_set: str, kind: str) -> dict[str, Any]:
    """Return the parameters of a data set of real images in `data/incoming`: dotted key -> value."""
    return _of(data_set, "incoming", REAL[kind])


def drawn(data_set: str, kind: str) -> dict[str, Any]:
    """Return the parameters of a data set of drawn images: dotted key -> value."""
    return _of(data_set, "phantom", DRAWN[kind])


def _of(data_set: str, source: str, values: Mapping[str, Any]) -> dict[str, Any]:
    named = {}
    for key, value in values.items():
        section, _, rest = key.partition(".")
        named[f"{section}.{data_set}.{rest}"] = value
    return {f"pull.{data_set}.source": source} | named
