"""Read and write grey images."""

import io
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from sonotrace.errors import SonotraceError

Grey = NDArray[np.uint8]
"""A grey image: shape (height, width), 0 black, 255 white."""

COMPRESSED = (
    *(cv2.IMWRITE_PNG_COMPRESSION, 1),
    *(cv2.IMWRITE_PNG_STRATEGY, cv2.IMWRITE_PNG_STRATEGY_RLE),
    *(cv2.IMWRITE_PNG_FILTER, cv2.IMWRITE_PNG_FILTER_PAETH),
)
"""Of OpenCV's PNG settings those that make speckle smallest at level 1."""

STORED = (*(cv2.IMWRITE_PNG_COMPRESSION, 0), *(cv2.IMWRITE_PNG_FILTER, cv2.IMWRITE_PNG_FILTER_NONE))
"""For images read in every epoch: twice the size, a tenth of the time to write and a fifth to read."""

cv2.setNumThreads(1)  # the pipeline works on many images at once instead


def decode_grey(content: bytes) -> Grey | None:
    """Decode a PNG or JPEG to 8-bit grey, or return None where that fails.

    It fails where the file is cut short, and for any other damage to a PNG, which carries checksums;
    a JPEG whose pixels were altered in place decodes to other pixels.

    Colour becomes ITU-R BT.601 luma and 16-bit samples keep their high byte, as OpenCV does both.
    """
    if not content:
        return None
    image = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_GRAYSCALE)
    return None if image is None else np.asarray(image, np.uint8)


def read_grey(path: Path) -> Grey:
    """Read an image file as 8-bit grey.

    Raises SonotraceError, with the reason, where it is no readable PNG or JPEG.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise SonotraceError(f"{path}: cannot be read ({error.strerror}); check the path") from None
    image = decode_grey(content)
    if image is None:
        raise SonotraceError(f"{path}: {damage(content)}; export the image again")
    return image


def damage(content: bytes) -> str:
    """Say in a few words why an image cannot be decoded."""
    if not content:
        return "empty file"
    try:
        with Image.open(io.BytesIO(content)) as image:
            image.load()
    except UnidentifiedImageError:
        return "not a PNG or JPEG image"
    except Exception as error:  # noqa: BLE001 - Pillow raises many kinds for damaged files
        return str(error).splitlines()[0] if str(error) else "damaged image"
    return "damaged or cut short"


def write_png(image: Grey, path: Path, options: Sequence[int] = COMPRESSED) -> None:
    """Write a grey image as PNG; raises SonotraceError where the disk does not take it."""
    if not cv2.imwrite(str(path), image, options):
        raise SonotraceError(f"{path}: cannot be written; check the space left on the disk")
