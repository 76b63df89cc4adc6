"""Model files whose bytes depend on the training alone: no dates, no paths, no addresses.

Both formats also carry a `sonotrace` entry with the names and the preparation the model was
trained with, so that a model file is used as it was trained, wherever it goes. A classifier's file may also
hold arrays, in a member that Keras does not look at.
"""

import io
import json
import re
import tempfile
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sonotrace.errors import SonotraceError
from sonotrace.running import environment
from sonotrace.running.outputs import write_bytes

_EPOCH = (1980, 1, 1, 0, 0, 0)
"""The earliest time a zip member can have."""
_ARRAYS = "sonotrace/"
"""Folder of our arrays in a `.keras` file, one `.npy` file each."""

Arrays = Mapping[str, NDArray[Any]]
"""Arrays by name."""


def write_keras(model: Any, entry: dict[str, Any], path: Path, arrays: Arrays | None = None) -> None:
    """Write a Keras model, without its optimizer, as `.keras`, with an entry and arrays of our own.

    Keras puts the date of saving into `metadata.json`, zip times into the archive and memory
    addresses, as `shared_object_id`, into `config.json`.
    """
    bare = type(model).from_config(model.get_config())
    bare.set_weights(model.get_weights())
    aside = path.with_name(f"{path.stem}.part.keras")
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        bare.save(aside)
        write_bytes(_canonical_keras(aside.read_bytes(), entry, arrays or {}), path)
    finally:
        aside.unlink(missing_ok=True)


def _canonical_keras(content: bytes, entry: dict[str, Any], arrays: Arrays) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as given, zipfile.ZipFile(buffer, "w") as made:
        for name in sorted(given.namelist()):
            member = given.read(name)
            if name == "metadata.json":
                metadata = json.loads(member)
                del metadata["date_saved"]
                member = json.dumps(metadata | {"sonotrace": entry}, indent=2).encode()
            elif name == "config.json":
                member = _renumbered(member.decode()).encode()
            made.writestr(zipfile.ZipInfo(name, _EPOCH), member)
        for name, array in sorted(arrays.items()):
            with made.open(zipfile.ZipInfo(f"{_ARRAYS}{name}.npy", _EPOCH), "w") as file:
                np.lib.format.write_array(file, array, allow_pickle=False)
    return buffer.getvalue()


def _renumbered(config: str) -> str:
    """Replace memory addresses by the order in which they appear."""
    order: dict[str, int] = {}
    return re.sub(
        r'("shared_object_id": )(\d+)',
        lambda found: found[1] + str(order.setdefault(found[2], len(order))),
        config,
    )


def read_keras(content: bytes, path: Path) -> tuple[Any, dict[str, Any], dict[str, NDArray[Any]]]:
    """Load the bytes of a `.keras` file in Keras' safe mode; return the model, its `sonotrace` entry and its arrays.

    `path` is named in messages only: what was checked is loaded, whatever the file holds by now. Raises
    SonotraceError where the bytes are not a model of train_cnn, and where TensorFlow would be loaded beside
    PyTorch.
    """
    environment.use_keras()
    import keras

    if keras.backend.backend() == "tensorflow":
        environment.let_tensorflow_sleep()

    entry = read_keras_entry(content, path)
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            arrays = dict(_arrays(archive))
    except ValueError:
        raise SonotraceError(f"{path}: not a model of train_cnn; run `dvc repro train_cnn` to make one") from None
    with private_copy(content, path.with_suffix(".keras")) as copy:
        return keras.models.load_model(copy, compile=False), entry, arrays


def _arrays(archive: zipfile.ZipFile) -> Iterator[tuple[str, NDArray[Any]]]:
    for name in archive.namelist():
        if name.startswith(_ARRAYS):
            with archive.open(name) as file:
                yield name.removeprefix(_ARRAYS).removesuffix(".npy"), np.lib.format.read_array(file)


def read_keras_entry(content: bytes, path: Path) -> dict[str, Any]:
    """Return the `sonotrace` entry of the bytes of a `.keras` file, without loading the model.

    Raises SonotraceError where they are not a model of train_cnn.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            return dict(json.loads(archive.read("metadata.json"))["sonotrace"])
    except (zipfile.BadZipFile, KeyError, TypeError, ValueError):
        raise SonotraceError(f"{path}: not a model of train_cnn; run `dvc repro train_cnn` to make one") from None


@contextmanager
def private_copy(content: bytes, path: Path) -> Iterator[Path]:
    """Give a file of this content and of the name of `path`, in a folder that only this user can enter.

    For libraries that load from paths only; the folder is deleted afterwards.
    """
    with tempfile.TemporaryDirectory(prefix="sonotrace-") as folder:  # made with mode 0700
        copy = Path(folder) / path.name
        copy.write_bytes(content)
        yield copy


def write_yolo(trained: Path, entry: dict[str, Any], path: Path) -> None:
    """Write an Ultralytics checkpoint again without date, git state, paths and timings.

    torch names the archive's folder after the file it saves to; a buffer has no name.
    """
    import torch

    checkpoint = torch.load(trained, map_location="cpu", weights_only=False)
    checkpoint |= {"date": None, "git": None, "sonotrace": entry}
    if checkpoint.get("train_results"):
        checkpoint["train_results"].pop("time", None)
    for arguments in (checkpoint["train_args"], checkpoint["model"].args):
        for name in ("data", "project", "name", "save_dir", "model", "pretrained"):
            arguments.pop(name, None)
    definition = checkpoint["model"].yaml
    definition["yaml_file"] = Path(definition["yaml_file"]).name
    buffer = io.BytesIO()
    torch.save(checkpoint, buffer)
    write_bytes(buffer.getvalue(), path)


def read_yolo_entry(content: bytes, path: Path) -> dict[str, Any]:
    """Return the `sonotrace` entry of a detector file, given its bytes; `path` is named in messages only.

    The file is a pickle, which runs code when loaded: give it only bytes of your own pipeline
    (`lineage.known`). Raises SonotraceError where they are not a model of train_yolo.
    """
    import torch

    try:
        return dict(torch.load(io.BytesIO(content), map_location="cpu", weights_only=False)["sonotrace"])
    except (KeyError, TypeError, RuntimeError, EOFError, ModuleNotFoundError, UnpicklingError):
        raise SonotraceError(f"{path}: not a model of train_yolo; run `dvc repro train_yolo` to make one") from None
