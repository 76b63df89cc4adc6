"""Graphs whose convolutions work on 8-bit numbers, quantised by onnxruntime: a third of the size.

The ranges of activations are those of some images; weights have a scale per channel. Weights use 7 of their 8 bits:
processors without VNNI add two products in 16 bits, which 8-bit weights can saturate, and the answers would depend on
the machine. The judgement, which works in double precision, stays as it is.
"""

import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import ModelProto
from onnxruntime import quantization

from sonotrace.images.grey import Grey
from sonotrace.portable.form import INPUT

LAYERS = ["Add", "AveragePool", "Clip", "Conv", "Gemm", "GlobalAveragePool", "MaxPool", "Relu"]
"""Operators that work on 8-bit numbers."""
BATCH = 16


def quantised(graph: ModelProto, images: Sequence[Grey]) -> ModelProto:
    """Return `graph` in 8 bit; `images`, of the size that it takes, set the ranges of its values."""
    shaped = onnx.shape_inference.infer_shapes(graph)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "quantised.onnx"
        quantization.quantize_static(
            shaped,
            path,
            _Shown(images),
            op_types_to_quantize=LAYERS,
            per_channel=True,
            reduce_range=True,
            activation_type=quantization.QuantType.QUInt8,
        )
        made = onnx.load(path)
    del made.opset_import[1:]  # of operators that it does not use
    return made


class _Shown(quantization.CalibrationDataReader):  # type: ignore[misc]
    """Gives onnxruntime one batch after another."""

    def __init__(self, images: Sequence[Grey]) -> None:
        self._batches = iter([np.stack(images[at : at + BATCH]) for at in range(0, len(images), BATCH)])

    def get_next(self) -> dict[str, NDArray[np.uint8]] | None:
        batch = next(self._batches, None)
        return None if batch is None else {INPUT: batch}
