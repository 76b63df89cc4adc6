"""Bring any image to the size a model was trained on; the pipeline and `predict` share this code."""

from dataclasses import dataclass
from typing import Any, Self

import cv2
import numpy as np
from numpy.typing import NDArray

from sonotrace.images.boxes import Boxes
from sonotrace.images.grey import Grey

_SECTOR_LEVEL = 8
"""Grey level that speckle exceeds and the scanner's background does not, after smoothing."""

_LARGE = 0.02
"""Share of the image that a region of the sector covers at least; logos and grey bars cover less."""


@dataclass(frozen=True)
class Placement:
    """Where the original stands in the prepared image: prepared = original * scale + offset, in px."""

    scale_x: float
    scale_y: float
    offset_x: float
    offset_y: float

    def to_prepared(self, boxes: Boxes) -> Boxes:
        """Move boxes, shape (n, 4), from the original image to the prepared one."""
        return boxes * self._scale() + self._offset()

    def to_original(self, boxes: Boxes) -> Boxes:
        """Move boxes, shape (n, 4), from the prepared image back to the original one."""
        return (boxes - self._offset()) / self._scale()

    def _scale(self) -> Boxes:
        return np.array([self.scale_x, self.scale_y] * 2)

    def _offset(self) -> Boxes:
        return np.array([self.offset_x, self.offset_y] * 2)


@dataclass(frozen=True)
class Preparation:
    """The section `prepare.<data set>` of the parameters; it travels inside the model file."""

    width: int
    height: int
    aspect: str
    mask_overlays: bool

    @classmethod
    def from_mapping(cls, values: dict[str, Any]) -> Self:
        """Make a preparation from the mapping that a model file or the parameters hold."""
        return cls(**values)

    def placement(self, width: int, height: int) -> Placement:
        """Say where an image of `width` x `height` px comes to stand.

        `stretch` fills the frame and changes proportions, so angles and lengths in the prepared
        image are not those of the anatomy; `letterbox` keeps them and centres the image.
        """
        scale_x, scale_y = self.width / width, self.height / height
        if self.aspect == "stretch":
            return Placement(scale_x, scale_y, 0.0, 0.0)
        scale = min(scale_x, scale_y)
        new_width, new_height = max(1, round(width * scale)), max(1, round(height * scale))
        left, top = (self.width - new_width) // 2, (self.height - new_height) // 2
        return Placement(new_width / width, new_height / height, left, top)

    def apply(self, image: Grey) -> Grey:
        """Return the prepared image, shape (self.height, self.width).

        Shrinking averages over areas, enlarging interpolates linearly.
        """
        if self.mask_overlays:
            image = without_overlays(image)
        height, width = image.shape
        at = self.placement(width, height)
        size = round(width * at.scale_x), round(height * at.scale_y)
        shrinks = size[0] <= width and size[1] <= height
        resized = cv2.resize(image, size, interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR)
        if size == (self.width, self.height):
            return np.asarray(resized, np.uint8)
        frame = np.zeros((self.height, self.width), np.uint8)
        left, top = int(at.offset_x), int(at.offset_y)
        frame[top : top + size[1], left : left + size[0]] = resized
        return frame


def without_overlays(image: Grey) -> Grey:
    """Blank what lies outside the ultrasound sector: scanner text, rulers, logos.

    Callipers and text drawn inside it stay.
    """
    return np.where(sector(image), image, np.uint8(0))


def sector(image: Grey) -> NDArray[np.bool_]:
    """Return which pixels lie in the ultrasound sector, shape of the image.

    The sector is the convex hull of the large bright regions that remain when thin strokes are
    removed; shadows may part it into several. Without such a region every pixel counts, since
    blanking them all would lose the diagnosis.
    """
    height, width = image.shape
    stroke = max(3, round(min(height, width) / 60)) | 1
    smooth = cv2.blur(image, (stroke, stroke))
    bright = (smooth > _SECTOR_LEVEL).astype(np.uint8)
    opened = cv2.morphologyEx(bright, cv2.MORPH_OPEN, np.ones((2 * stroke, 2 * stroke), np.uint8))
    count, labels, stats, _ = cv2.connectedComponentsWithStats(opened)
    if count < 2:
        return np.ones(image.shape, np.bool_)
    areas = stats[:, cv2.CC_STAT_AREA]
    large = areas >= min(_LARGE * image.size, areas[1:].max())
    large[0] = False  # the background
    outlines, _ = cv2.findContours(large[labels].astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
    mask = np.zeros_like(image)
    cv2.fillConvexPoly(mask, cv2.convexHull(np.concatenate(outlines)), 255)
    return mask > 0
