"""Use ONNX models of the project's stage `export_onnx`, without the frameworks that trained them.

Each run of a net takes one thread, so what it says depends neither on their number nor on the machine's load; several
threads may call one model at once.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NoReturn

import cv2
import numpy as np
import onnxruntime
from numpy.typing import NDArray

from sonotrace.documents import read_json
from sonotrace.errors import SonotraceError
from sonotrace.images.boxes import Boxes, clip, overlap
from sonotrace.images.grey import Grey
from sonotrace.images.preparation import Preparation
from sonotrace.models.detections import OVERLAP, Detections
from sonotrace.models.judgement import Answers
from sonotrace.portable.form import BOXES, ENTRY, INPUT, PROBABILITIES, SCOPE

MOST = 300
"""Most boxes of an image (Ultralytics' value)."""
LARGEST = 8192
"""Most px that the input of a net may be wide or high."""
ASPECTS = ("stretch", "letterbox")
_REMEDY = "`dvc repro export_onnx` makes a working model"
MARGIN = 114
"""Grey level around an image whose sides are not multiples of the net's stride (Ultralytics' value)."""


class PortableNet:
    """A file of `export_onnx`: its graph, ready to run, and what it says of itself."""

    def __init__(self, content: bytes, path: Path) -> None:
        """Load the bytes of an ONNX file, called `path` in messages.

        Raises SonotraceError where they are none, or not of the stage `export_onnx`.
        """
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.log_severity_level = 4  # what is wrong is said by us
        wrong = f"{path}: not an ONNX model made by export_onnx; `dvc repro export_onnx` makes one"
        try:
            self._session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
            self.entry: Mapping[str, Any] = read_json(self._session.get_modelmeta().custom_metadata_map[ENTRY])
            self.preparation = Preparation.from_mapping(self.entry["prepare"])
            _, self.height, self.width = self._session.get_inputs()[0].shape
            """Of the images that the net takes, px."""
            _check(self.preparation, self.height, self.width)
        except Exception:  # noqa: BLE001 - onnxruntime has no kind of its own that it documents
            raise SonotraceError(wrong) from None
        self.outputs = [output.name for output in self._session.get_outputs()]
        self.path = path

    def run(self, images: Sequence[Grey], *outputs: str) -> list[NDArray[np.float32]]:
        """Return outputs for images of the net's size, each with one entry per image.

        Raises SonotraceError if the net fails, or an output is not of finite numbers in single precision.
        """
        try:
            found = list(self._session.run(list(outputs), {INPUT: np.stack(images)}))
        except Exception:  # noqa: BLE001 - onnxruntime has no kind of its own that it documents
            raise SonotraceError(f"{self.path}: fails on an image; {_REMEDY}") from None
        for values in found:
            if values.dtype != np.float32 or values.shape[:1] != (len(images),) or not np.isfinite(values).all():
                raise SonotraceError(f"{self.path}: its output is not one set of numbers per image; {_REMEDY}")
        return found

    def names(self, key: str) -> tuple[str, ...]:
        """Return the class names that the entry has under `key`; raises SonotraceError if there are none."""
        found = self.entry.get(key)
        if not isinstance(found, list) or not found or not all(isinstance(name, str) for name in found):
            raise SonotraceError(f"{self.path}: names no {key}; {_REMEDY}")
        return tuple(found)

    def share(self, key: str) -> float:
        """Return the number from 0 to 1 that the entry has under `key`; raises SonotraceError if there is none."""
        found = self.entry.get(key)
        if not isinstance(found, int | float) or not 0 <= found <= 1:
            raise SonotraceError(f"{self.path}: {key} is {found!r}, not a number from 0 to 1; {_REMEDY}")
        return found

    def refuse_output(self, classes: str) -> NoReturn:
        """Raise SonotraceError for an output of another shape than the classes need."""
        raise SonotraceError(f"{self.path}: its output does not match its {classes}; {_REMEDY}")


def _check(preparation: Preparation, *more: object) -> None:
    """Raise ValueError for sizes that no image has, or settings that no preparation has."""
    sizes = (preparation.width, preparation.height, *more)
    if not all(type(size) is int and 0 < size <= LARGEST for size in sizes):
        raise ValueError("sizes")
    if preparation.aspect not in ASPECTS or not isinstance(preparation.mask_overlays, bool):
        raise ValueError("preparation")


class PortableClassifier:
    """What names planes."""

    def __init__(self, content: bytes, path: Path) -> None:
        """Load the bytes of a file of `export_onnx`; raises SonotraceError where they are no plane classifier."""
        self._net = PortableNet(content, path)
        if PROBABILITIES not in self._net.outputs:
            raise SonotraceError(f"{path}: not a plane classifier; name planes.onnx")
        self.preparation = self._net.preparation
        self.planes: tuple[str, ...] = self._net.names("planes")
        self.certain: float = self._net.share("certain")
        """The probability below which a plane counts as uncertain."""

    def answers(self, prepared: Sequence[Grey]) -> Answers:
        """Return the planes' probabilities, shape (n, len(self.planes)), of prepared images, and which are in scope."""
        if SCOPE in self._net.outputs:
            probabilities, scope = self._net.run(prepared, PROBABILITIES, SCOPE)
        else:
            (probabilities,) = self._net.run(prepared, PROBABILITIES)
            scope = np.full(len(prepared), np.nan, np.float32)
        if probabilities.shape[1:] != (len(self.planes),) or scope.shape[1:]:
            self._net.refuse_output(f"{len(self.planes)} planes")
        return Answers(probabilities.astype(np.float64), scope.astype(np.float64).round(6))


class PortableDetector:
    """What finds structures."""

    def __init__(self, content: bytes, path: Path) -> None:
        """Load the bytes of a file of `export_onnx`; raises SonotraceError where they are no structure detector."""
        self._net = PortableNet(content, path)
        if BOXES not in self._net.outputs:
            raise SonotraceError(f"{path}: not a structure detector; name structures.onnx")
        self.preparation = self._net.preparation
        self.structures: tuple[str, ...] = self._net.names("structures")
        self.confidence: float = self._net.share("confidence")
        """The least confidence of a box, where nobody asks for another."""
        self._fit = Fit(self.preparation, self._net.height, self._net.width)

    def detect(self, prepared: Sequence[Grey], confidence: float) -> list[Detections]:
        """Return the structures found in each prepared image with at least this confidence."""
        (found,) = self._net.run([self._fit.apply(image) for image in prepared], BOXES)
        if found.ndim != 3 or found.shape[1] != 4 + len(self.structures):
            self._net.refuse_output(f"{len(self.structures)} structures")
        return [self._detections(candidates.T, confidence) for candidates in found]

    def _detections(self, candidates: NDArray[np.float32], confidence: float) -> Detections:
        certain = candidates[:, 4:].max(axis=1)
        candidates, certain = candidates[certain > confidence], certain[certain > confidence]
        order = np.argsort(-certain, kind="stable")
        candidates, certain = candidates[order], certain[order]
        classes = candidates[:, 4:].argmax(axis=1)
        centres, sizes = candidates[:, :2], candidates[:, 2:4]
        boxes = np.concatenate([centres - sizes / 2, centres + sizes / 2], axis=1).astype(np.float64)
        kept = strongest(boxes, classes)[:MOST]
        return Detections(
            [self.structures[at] for at in classes[kept]],
            certain[kept].astype(np.float64),
            self._fit.to_prepared(boxes[kept]),
        )


class Fit:
    """How a prepared image comes into the frame that a detector takes, as Ultralytics' LetterBox does it."""

    def __init__(self, preparation: Preparation, height: int, width: int) -> None:
        """Fit the images of a preparation into a frame of this size, px."""
        scale = min(height / preparation.height, width / preparation.width)
        self._size = max(1, round(preparation.width * scale)), max(1, round(preparation.height * scale))
        left, top = (round((whole - own) / 2 - 0.1) for whole, own in zip((width, height), self._size, strict=True))
        self._margins = top, height - self._size[1] - top, left, width - self._size[0] - left
        self._preparation = preparation

    def apply(self, image: Grey) -> Grey:
        """Return the frame, with the image in its middle."""
        if image.shape[::-1] != self._size:
            image = np.asarray(cv2.resize(image, self._size, interpolation=cv2.INTER_LINEAR), np.uint8)
        return np.asarray(cv2.copyMakeBorder(image, *self._margins, cv2.BORDER_CONSTANT, value=(MARGIN,)), np.uint8)

    def to_prepared(self, boxes: Boxes) -> Boxes:
        """Move boxes, shape (n, 4), from the frame to the prepared image, and cut them to it."""
        width, height = self._preparation.width, self._preparation.height
        top, _, left, _ = self._margins
        factors = np.array([width / self._size[0], height / self._size[1]] * 2)
        return clip((boxes - np.array([left, top] * 2)) * factors, width, height)


def strongest(boxes: Boxes, classes: NDArray[np.int64]) -> list[int]:
    """Return which boxes stay where those of one class overlap by more than OVERLAP; given by falling confidence."""
    kept: list[int] = []
    left = np.arange(len(boxes))
    while left.size:
        first, left = int(left[0]), left[1:]
        kept.append(first)
        same = (classes[left] == classes[first]) & (overlap(boxes[first : first + 1], boxes[left])[0] > OVERLAP)
        left = left[~same]
    return kept
