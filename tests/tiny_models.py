"""ONNX models small enough to be made by hand: a classifier that goes by the grey level, a detector of fixed boxes."""

from pathlib import Path

import numpy as np
from onnx import TensorProto

from sonotrace.kinds.planes import PLANES
from sonotrace.kinds.structures import STRUCTURES
from sonotrace.portable.form import BOXES, INPUT, PROBABILITIES, SCOPE
from sonotrace.portable.writing import Graph, to_bytes

LEVELS = {"abdomen": 10, "brain": 60, "femur": 110, "thorax": 160}
"""Grey level of an image of each plane."""
UNCERTAIN = 84
"""Grey level between brain and femur, a little nearer to brain."""
FAR = 230
"""Grey level of an image that is none of the planes."""
BOX = [8.0, 4.0, 24.0, 12.0]
"""Of the CSP that the detector finds with confidence 0.9, px of the prepared image, 32 x 16."""
_PREPARE = {"width": 32, "height": 16, "aspect": "stretch", "mask_overlays": False}


def classifier() -> bytes:
    graph = Graph()
    mean = _mean(graph)
    away = graph.add("Abs", graph.add("Sub", mean, graph.constant([list(LEVELS.values())])))
    logits = graph.add("Div", away, graph.constant(-2))
    scope = graph.add("Sub", graph.add("Squeeze", mean, graph.constant([1], np.int64)), graph.constant(200))
    outputs = {PROBABILITIES: (graph.add("Softmax", logits, axis=1), (4,)), SCOPE: (scope, ())}
    return to_bytes(graph.model(16, 32, outputs), {"planes": PLANES, "certain": 0.8, "prepare": _PREPARE})


def detector() -> bytes:
    """Find a CSP, a second one of less confidence, and one of too little."""
    graph = Graph()
    x0, y0, x1, y1 = BOX
    candidates = np.zeros((1, 7, 3), np.float32)
    csp = 4 + STRUCTURES.index("CSP")
    candidates[0, :, 0] = [(x0 + x1) / 2, (y0 + y1) / 2 + 8, x1 - x0, y1 - y0, 0, 0, 0]
    candidates[0, :, 1] = [28, 20, 4, 4, 0, 0, 0]
    candidates[0, :, 2] = [4, 20, 4, 4, 0, 0, 0]
    candidates[0, csp] = [0.9, 0.5, 0.2]
    nothing = graph.add("Mul", _mean(graph), graph.constant(0))
    found = graph.add("Add", graph.add("Unsqueeze", nothing, graph.constant([2], np.int64)), graph.constant(candidates))
    entry = {"structures": STRUCTURES, "confidence": 0.25, "prepare": _PREPARE}
    return to_bytes(graph.model(32, 32, {BOXES: (found, (7, 3))}), entry)  # 8 px are added above and below


def write(folder: Path) -> None:
    """Write both into a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "planes.onnx").write_bytes(classifier())
    (folder / "structures.onnx").write_bytes(detector())


def _mean(graph: Graph) -> str:
    pixels = graph.add("Cast", INPUT, to=TensorProto.FLOAT)
    return graph.add("ReduceMean", graph.add("Flatten", pixels), axes=[1])
