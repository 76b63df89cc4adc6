"""Changed versions of a prepared image that show the same anatomy, for asking whether a classifier goes by that alone.

Overlays are what lies outside the ultrasound sector: scanner text, rulers, logos. Where only they change, every pixel
of the sector stays as it was.
"""

from collections.abc import Callable

import numpy as np

from sonotrace.images.grey import Grey
from sonotrace.images.preparation import sector, without_overlays


def _mirrored(image: Grey, other: Grey) -> Grey:  # noqa: ARG001
    return np.ascontiguousarray(image[:, ::-1])


def _overlays_blanked(image: Grey, other: Grey) -> Grey:  # noqa: ARG001
    return without_overlays(image)


def _overlays_mirrored(image: Grey, other: Grey) -> Grey:  # noqa: ARG001
    return _with_overlays(image, overlays(image)[:, ::-1])


def _overlays_moved(image: Grey, other: Grey) -> Grey:  # noqa: ARG001
    return _with_overlays(image, np.roll(overlays(image), len(image) // 2, axis=0))


def _overlays_exchanged(image: Grey, other: Grey) -> Grey:
    return _with_overlays(image, overlays(other))


CHANGES: dict[str, Callable[[Grey, Grey], Grey]] = {
    "mirrored": _mirrored,
    "overlays_blanked": _overlays_blanked,
    "overlays_mirrored": _overlays_mirrored,
    "overlays_moved": _overlays_moved,
    "overlays_exchanged": _overlays_exchanged,
}
"""Name -> what changes an image, shape (height, width), given another image of the same shape.

- `mirrored`: left and right of the whole image are swapped.
- `overlays_blanked`: they become black, as with `prepare.<data set>.mask_overlays`.
- `overlays_mirrored`: left and right of the overlays alone are swapped.
- `overlays_moved`: down by half the height; what leaves at the bottom comes in at the top.
- `overlays_exchanged`: those of the other image take their place.
"""


def overlays(image: Grey) -> Grey:
    """Return the image with the sector black."""
    return np.where(sector(image), np.uint8(0), image)


def _with_overlays(image: Grey, new: Grey) -> Grey:
    """Return the image with `new` outside its sector."""
    return np.where(sector(image), image, new)
