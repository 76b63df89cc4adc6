"""The graph of a structure detector: an Ultralytics model, for prepared images of one size."""

import io
import math
from typing import Any

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from onnx import ModelProto

from sonotrace.portable.form import BOXES, INPUT
from sonotrace.portable.writing import OPSET


class Grey(torch.nn.Module):
    """A detector that takes grey images, uint8, shape (n, height, width)."""

    def __init__(self, detector: Any) -> None:
        """Take the net of an Ultralytics model; it is changed, so give it one that nobody else uses."""
        super().__init__()
        self.net = detector.fuse(verbose=False).float()
        for parameter in self.net.parameters():
            parameter.requires_grad = False
        self.net.model[-1].export = True  # boxes and confidences alone
        self.eval()

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Return what `form.BOXES` says."""
        found: torch.Tensor = self.net((images.float() / 255).unsqueeze(1).repeat(1, 3, 1, 1))
        return found


def frame_of(width: int, height: int, imgsz: int, stride: int) -> tuple[int, int]:
    """Return height and width of what Ultralytics' predict gives the net for images of `width` x `height` px.

    The long side becomes `imgsz`, the short one what that makes of it and the next multiple of `stride`, both px. A
    square frame, as Ultralytics' own export has it unless told otherwise, gives other boxes.
    """
    whole = math.ceil(imgsz / stride) * stride
    scale = whole / max(width, height)
    sides = [max(1, round(side * scale)) for side in (height, width)]
    return tuple(side + (whole - side) % stride for side in sides)  # type: ignore[return-value]


def graph_of(net: Grey, height: int, width: int) -> ModelProto:
    """Return the graph for any number of images of this size, px, which are multiples of the net's stride."""
    buffer = io.BytesIO()
    torch.onnx.export(
        net,
        (torch.zeros(2, height, width, dtype=torch.uint8),),
        buffer,  # type: ignore[arg-type]  # its hints know paths alone
        input_names=[INPUT],
        output_names=[BOXES],
        dynamic_axes={INPUT: {0: "n"}, BOXES: {0: "n"}},
        opset_version=OPSET,
        dynamo=False,
    )
    return onnx.load_from_string(buffer.getvalue())


def native(net: Grey, images: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Return what the net itself gives, to hold the graph to it."""
    with torch.inference_mode():
        return np.asarray(net(torch.from_numpy(images)).numpy(), np.float32)
