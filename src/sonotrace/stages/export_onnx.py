"""export_onnx: make a file of a model that runs without the frameworks that trained it.

Needs the model that `evaluate.<data set>.model` names, and `split.csv` and the prepared images, on some of which the
file is held to the model. Leaves `models/<data set>.onnx`, and its sha256 in `reports/<data set>/onnx.sha256`, in
the form that `sha256sum --check` reads. The file states its classes, the preparation of its images, the thresholds
and which model it was made of.
"""

import hashlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from sonotrace.errors import SonotraceError
from sonotrace.images.grey import Grey
from sonotrace.images.packs import stored_in
from sonotrace.images.preparation import Preparation
from sonotrace.params import load
from sonotrace.params.export_onnx import ExportPlanes, ExportStructures
from sonotrace.places import REPORTS, folder, onnx_model
from sonotrace.running import environment
from sonotrace.running.outputs import write_bytes
from sonotrace.running.progress import native_noise_hidden, say
from sonotrace.tables import read_table

TOLERANCE = 1e-4
"""Most that the answers may differ: probabilities, and places as a share of the image."""
IMAGES = 16
"""On how many images they are compared."""
CALIBRATION = 200
"""How many training images, at most, set the ranges of a file in 8 bit."""

Values = NDArray[np.floating[Any]]


def run(data_set: str, model: bytes) -> None:
    """Export a model, given its bytes."""
    everything = load()
    params = everything.export_onnx[data_set]
    environment.use_device("cpu")
    path = Path(params.model)
    table = read_table(folder(data_set, "split") / "split.csv")
    prepared = _images(data_set, _spread(table["image"], IMAGES))
    made: bytes
    with native_noise_hidden():
        if isinstance(params, ExportStructures):
            made = _structures(model, path, params, prepared)
        else:
            made = _planes(model, path, params, prepared)
            if params.bits == 8:
                made = _in_8_bits(data_set, made, path, table)
    target = onnx_model(data_set)
    write_bytes(made, target)
    sha256 = hashlib.sha256(made).hexdigest()
    write_bytes(f"{sha256}  {target.name}\n".encode(), REPORTS / data_set / "onnx.sha256")
    say(f"export_onnx: {target}, {len(made) / 1e6:.1f} MB, as {path} on {len(prepared)} images; sha256 {sha256}")


def _spread(images: pd.Series, most: int) -> pd.Series:
    """Return at most so many images, spread over the table."""
    return images.iloc[np.unique(np.linspace(0, len(images) - 1, most).round().astype(int))]


def _images(data_set: str, images: pd.Series) -> list[Grey]:
    prepared = stored_in(folder(data_set, "prepare") / "images")
    return [prepared[image].read() for image in images]


def _planes(model: bytes, path: Path, params: ExportPlanes, images: Sequence[Grey]) -> bytes:
    from sonotrace.models.classifier import PlaneNet
    from sonotrace.models.files import read_keras
    from sonotrace.models.judgement import Judgement
    from sonotrace.portable.planes import graph_of
    from sonotrace.portable.reading import PortableClassifier
    from sonotrace.portable.writing import to_bytes

    net, entry, arrays = read_keras(model, path)
    judgement = Judgement.read(entry.get("judgement", {}), arrays)
    stated = {"planes": list(entry["planes"]), "certain": params.certain, **judgement.entry()}
    made = to_bytes(graph_of(net, judgement), stated | _origin(entry["prepare"], model, path))
    native = PlaneNet(model, path).answers(np.stack(images)[..., None].astype(np.float32))
    ours = PortableClassifier(made, path).answers(images)
    _require_equal(path, "probabilities", native.probabilities, ours.probabilities)
    _require_equal(path, "scope", native.scope, ours.scope)
    return made


def _in_8_bits(data_set: str, made: bytes, path: Path, table: pd.DataFrame) -> bytes:
    """Return the file of a plane classifier in 8 bit; raises SonotraceError where fewer validation images are right."""
    import json

    import onnx

    from sonotrace.portable.form import ENTRY
    from sonotrace.portable.quantised import quantised
    from sonotrace.portable.reading import PortableClassifier
    from sonotrace.portable.writing import to_bytes

    graph = onnx.load_from_string(made)
    entry = json.loads(next(one.value for one in graph.metadata_props if one.key == ENTRY))
    seen = _images(data_set, _spread(table.loc[table["side"] == "train", "image"], CALIBRATION))
    small = to_bytes(quantised(graph, seen), entry | {"bits": 8})
    held_out = table[table["side"] == "val"]
    shown = _images(data_set, held_out["image"])
    right = []
    for content in (made, small):
        net = PortableClassifier(content, path)
        said = [net.answers([image]).probabilities.argmax() for image in shown]
        right.append(sum(net.planes[at] == label for at, label in zip(said, held_out["label"], strict=True)))
    if right[1] < right[0]:
        raise SonotraceError(
            f"params.yaml: export_onnx.{data_set}.bits: 8 costs accuracy: {right[1]} of {len(shown)} validation images "
            f"right instead of {right[0]}; set it to 32"
        )
    say(f"export_onnx: in 8 bit {right[1]} of {len(shown)} validation images are right, in 32 bit {right[0]}")
    return small


def _structures(model: bytes, path: Path, params: ExportStructures, images: Sequence[Grey]) -> bytes:
    from sonotrace.models.files import private_copy, read_yolo_entry
    from sonotrace.portable import structures
    from sonotrace.portable.form import BOXES
    from sonotrace.portable.reading import Fit, PortableNet
    from sonotrace.portable.writing import to_bytes

    entry = read_yolo_entry(model, path)
    with private_copy(model, path.with_suffix(".pt")) as copy:
        detector = environment.quiet_ultralytics()(copy, task="detect")
    preparation = Preparation.from_mapping(entry["prepare"])
    net = structures.Grey(detector.model)
    height, width = structures.frame_of(
        preparation.width, preparation.height, entry["imgsz"], int(detector.model.stride.max())
    )
    stated = {
        "structures": [detector.names[at] for at in sorted(detector.names)],
        "confidence": params.confidence,
    }
    made = to_bytes(structures.graph_of(net, height, width), stated | _origin(entry["prepare"], model, path))
    frames = [Fit(preparation, height, width).apply(image) for image in images]
    native = structures.native(net, np.stack(frames))
    (ours,) = PortableNet(made, path).run(frames, BOXES)
    side = max(height, width)
    _require_equal(path, "places", native[:, :4] / side, ours[:, :4] / side)
    _require_equal(path, "confidences", native[:, 4:], ours[:, 4:])
    return made


def _origin(prepare: dict[str, Any], model: bytes, path: Path) -> dict[str, Any]:
    """Return what the file says of where it comes from, and how its images are prepared."""
    return {"prepare": prepare, "model": {"name": path.name, "sha256": hashlib.sha256(model).hexdigest()}}


def _require_equal(path: Path, what: str, native: Values, ours: Values) -> None:
    """Raise SonotraceError where the file does not say what the model says."""
    close: Callable[..., Any] = np.isclose
    if not close(ours, native, rtol=TOLERANCE, atol=TOLERANCE, equal_nan=True).all():
        most = float(np.nanmax(np.abs(native - ours)))
        raise SonotraceError(
            f"{path}: its ONNX form differs in {what} by up to {most:.2g}, more than {TOLERANCE:g}; nothing was "
            "written: please report this, with the architecture"
        )
