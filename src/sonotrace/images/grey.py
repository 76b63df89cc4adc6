"""Read and write grey images."""

import io
import re
import struct
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, TiffTags, UnidentifiedImageError

from sonotrace.errors import SonotraceError
from sonotrace.running.outputs import write_into

_open = Image.open  # kept, since Ultralytics replaces it by one that asks for another library

Grey = NDArray[np.uint8]
"""A grey image: shape (height, width), 0 black, 255 white."""

MAX_PIXELS = 64_000_000
"""Most pixels that an image may have, 8000 x 8000; larger ones are refused by their header."""
MAX_SIDE = 65_535
"""Most px that it may be wide or high, as in JPEG."""

DEPTHS = (8, 10, 12, 16)
"""Bits that samples stored in 16 bits may really have."""

COMPRESSED = (
    *(cv2.IMWRITE_PNG_COMPRESSION, 1),
    *(cv2.IMWRITE_PNG_STRATEGY, cv2.IMWRITE_PNG_STRATEGY_RLE),
    *(cv2.IMWRITE_PNG_FILTER, cv2.IMWRITE_PNG_FILTER_PAETH),
)
"""For images kept for long: settings of OpenCV's PNG encoder that suit speckle."""

STORED = (*(cv2.IMWRITE_PNG_COMPRESSION, 0), *(cv2.IMWRITE_PNG_FILTER, cv2.IMWRITE_PNG_FILTER_NONE))
"""For images read in every epoch: twice the size, a tenth of the time to write and a fifth to read."""

_PNG = b"\x89PNG\r\n\x1a\n"
_JPEG = b"\xff\xd8"
_BMP = b"BM"
_EXIF = b"Exif\0\0"
_OTHERS = {
    "GIF": rb"GIF8",
    "WebP": rb"RIFF....WEBP",
    "HEIF or AVIF": rb"....ftyp",
    "JPEG 2000": rb"\0\0\0\x0cjP  |\xff\x4f\xff\x51",
    "PGM or PPM": rb"P[1-6]\s",
    "zip": rb"PK\x03\x04",
    "PDF": rb"%PDF",
}
"""Beginnings of files that people take for images that can be read."""
_TIFF = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
_TAGS = {tag.name: number for number, tag in TiffTags.TAGS_V2.items()}
_JPEG_MARKER = re.compile(rb"\xff([^\x00\xff])", re.DOTALL)

cv2.setNumThreads(1)  # the pipeline works on many images at once instead
cv2.setUseOptimized(False)  # code chosen by the CPU's features rounds differently, in warpAffine for one
warnings.filterwarnings("ignore", module=r"PIL\.")  # damaged images are reported by us, with their names


class _UnreadableError(Exception):
    """Why an image cannot be decoded, in a few words."""


def decode_grey(content: bytes) -> Grey | None:
    """Decode a PNG, JPEG, TIFF or BMP to 8-bit grey, or return None where that fails.

    - Colour, also that of a palette, becomes ITU-R BT.601 luma; transparency is ignored.
    - Samples of 16 bits count as 8-, 10-, 12- or 16-bit values, the least of these that holds the
      image's largest colour sample, and keep the highest 8 bits: so an image with 12 bits in use is
      not near black. Black and white of 1 bit become 0 and 255. A TIFF in which 0 is white is inverted.
    - A JPEG is turned as its EXIF orientation says, and a TIFF by its own, for that is how viewers and
      labelling tools show them. `header_size` is the size of the turned image. For PNG they differ, so
      a PNG with an orientation is refused: its boxes could mean either.

    Refused are images of more than MAX_PIXELS pixels or MAX_SIDE px a side, and TIFFs of several
    pages, with floating-point, signed or 32-bit samples, or in other colours than RGB.

    It fails where pixels are cut off, and for any other damage to a PNG, which carries checksums; a
    file of another kind whose pixels were altered in place may decode to other pixels. `damage` says
    why it fails. Threads may call it at once: the decoders let go of the GIL.
    """
    try:
        return _decode(content)
    except _UnreadableError:
        return None


def damage(content: bytes) -> str:
    """Say in a few words why an image cannot be decoded, or nothing where it can."""
    try:
        _decode(content)
    except _UnreadableError as error:
        return str(error)
    return ""


def read_grey(path: Path) -> Grey:
    """Read an image file as 8-bit grey.

    Raises SonotraceError, with the reason, where `decode_grey` cannot read it.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise SonotraceError(f"{path}: cannot be read ({error.strerror}); check the path") from None
    image = decode_grey(content)
    if image is None:
        raise SonotraceError(f"{path}: {damage(content)}; export the image again")
    return image


def header_size(path: Path) -> tuple[int, int] | None:
    """Read width and height in px from an image's header, or None where that fails.

    It is the size as `decode_grey` turns the image.
    """
    try:
        with _open(path) as image:
            width, height = image.size
            turned = image.format == "JPEG" and _orientation(image.info.get("exif", b"")) >= 5
            return (height, width) if turned else (width, height)
    except Exception:  # noqa: BLE001 - Pillow raises many kinds for damaged files
        return None


def write_png(image: Grey, path: Path, options: Sequence[int] = COMPRESSED) -> None:
    """Write a grey image as PNG; raises SonotraceError where the disk does not take it."""
    write_into(path, encode_png(image, options))


def encode_png(image: Grey, options: Sequence[int] = COMPRESSED) -> bytes:
    """Return a grey image as PNG."""
    return bytes(cv2.imencode(".png", image, options)[1])


def _decode(content: bytes) -> Grey:
    if content.startswith(_TIFF):
        return _decode_tiff(content)
    width, height, exif = _header(content)
    _check_size(width, height)
    orientation = _orientation(exif)
    if orientation > 1 and content.startswith(_PNG):
        raise _UnreadableError(
            "its EXIF data turn it, which not all programs do to a PNG; save it upright without them"
        )
    deep = content.startswith(_PNG) and content[24:25] == b"\x10"
    flags = cv2.IMREAD_UNCHANGED if deep else cv2.IMREAD_GRAYSCALE | cv2.IMREAD_IGNORE_ORIENTATION
    image = cv2.imdecode(np.frombuffer(content, np.uint8), flags)
    if image is None:
        raise _UnreadableError(_complaint(content))
    return _to_grey(image) if deep else _turned(np.asarray(image, np.uint8), orientation)


def _turned(image: Grey, orientation: int) -> Grey:
    """Turn an image from the way it is stored to the way it is shown (EXIF 2.32, 4.6.4, Orientation)."""
    if orientation >= 5:
        image = image.T
    if orientation in {3, 4, 7, 8}:
        image = image[::-1]
    if orientation in {2, 3, 6, 7}:
        image = image[:, ::-1]
    return np.ascontiguousarray(image)


def _orientation(exif: bytes) -> int:
    """Read the orientation, 1 to 8, from EXIF data; 1 (as stored) where they state none that there is."""
    try:
        tags = Image.Exif()
        tags.load(exif)
        found = tags.get(_TAGS["Orientation"], 1)
    except Exception:  # noqa: BLE001 - Pillow raises many kinds for damaged EXIF data
        return 1
    return found if found in range(1, 9) else 1


def _header(content: bytes) -> tuple[int, int, bytes]:
    """Read width and height in px and the EXIF data of a PNG, JPEG or BMP, faster than Pillow does."""
    exif = b""
    try:
        if content.startswith(_PNG):
            width, height, exif = _png_header(content)
        elif content.startswith(_JPEG):
            width, height, exif = _jpeg_header(content)
        elif content.startswith(_BMP):
            old = content[14:18] == b"\x0c\0\0\0"
            width, height = struct.unpack_from("<HH" if old else "<ii", content, 18)
        else:
            raise _UnreadableError(_complaint(content))
    except struct.error:
        raise _UnreadableError(_complaint(content)) from None
    return width, abs(height), exif  # a BMP of negative height stands on its head


def _png_header(content: bytes) -> tuple[int, int, bytes]:
    """Read IHDR and eXIf, and see that no chunk ends behind the file: OpenCV takes memory for all that one states."""
    width, height = struct.unpack_from(">II", content, 16)
    at, kind, exif = len(_PNG), b"", b""
    while at < len(content) and kind != b"IEND":
        length, kind = struct.unpack_from(">I4s", content, at)
        at += length + 12
        if at > len(content):
            raise _UnreadableError("damaged or cut short")
        if kind == b"eXIf":
            exif = content[at - 4 - length : at - 4]
    return width, height, exif


def _jpeg_header(content: bytes) -> tuple[int, int, bytes]:
    """Read the frame header, SOFn, of a JPEG (ITU-T T.81, B.2.2), and the first EXIF segment before it."""
    at, exif = 2, b""
    while marker := _JPEG_MARKER.search(content, at):
        kind, at = marker[1][0], marker.end()
        if 0xC0 <= kind <= 0xCF and kind not in {0xC4, 0xC8, 0xCC}:
            height, width = struct.unpack_from(">HH", content, at + 3)
            return width, height, exif
        if kind != 0x01 and not 0xD0 <= kind <= 0xD8:  # those have no length
            (length,) = struct.unpack_from(">H", content, at)
            if kind == 0xE1 and not exif and content.startswith(_EXIF, at + 2):
                exif = content[at + 2 : at + length]
            at += length
    raise _UnreadableError(_complaint(content))


def _check_size(width: int, height: int) -> None:
    if width * height > MAX_PIXELS or max(width, height) > MAX_SIDE:
        raise _UnreadableError(
            f"{width} x {height} px, more than {MAX_PIXELS // 1_000_000} million pixels or {MAX_SIDE} px a side"
        )


def _complaint(content: bytes) -> str:
    """Say what Pillow finds wrong with a PNG, JPEG or BMP that OpenCV does not decode."""
    if not content:
        return "empty file"
    if content[128:132] == b"DICM":
        return "a DICOM file, not an image"
    try:
        with _open(io.BytesIO(content), formats=("PNG", "JPEG", "BMP")) as image:
            image.load()
    except UnidentifiedImageError:
        if content.startswith((_PNG, _JPEG, _BMP)):
            return "damaged or cut short"
        other = next((name for name, mark in _OTHERS.items() if re.match(mark, content, re.DOTALL)), "")
        return f"{f'a {other} file, ' if other else ''}not a PNG, JPEG, TIFF or BMP image"
    except Exception as error:  # noqa: BLE001 - Pillow raises many kinds for damaged files
        return str(error).splitlines()[0] if str(error) else "damaged image"
    return "damaged or cut short"


def _decode_tiff(content: bytes) -> Grey:
    """Decode with Pillow, for OpenCV multiplies colours by transparency and reads only the first page."""
    try:
        with _open(io.BytesIO(content), formats=("TIFF",)) as image:
            _check_tiff(image)
            if _is_deep_colour(image):
                return _decode_deep_colour(content)
            if image.mode.startswith("I;16"):
                grey = _to_grey(np.array(image, np.uint16))
                return 255 - grey if _tag(image, "PhotometricInterpretation") == (0,) else grey
            if image.mode in {"1", "L"}:
                return np.array(image.convert("L"))
            if image.mode == "LA":
                return np.array(image.getchannel("L"))
            colours = image if image.mode == "RGB" else image.convert("RGB")  # which would copy the image
            return np.asarray(cv2.cvtColor(np.array(colours), cv2.COLOR_RGB2GRAY), np.uint8)
    except _UnreadableError:
        raise
    except UnidentifiedImageError:
        raise _UnreadableError("a TIFF that is damaged or of an unusual kind") from None
    except Image.DecompressionBombError:
        raise _UnreadableError(f"more than {MAX_PIXELS // 1_000_000} million pixels") from None
    except Exception as error:  # noqa: BLE001 - Pillow raises many kinds for damaged files
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise _UnreadableError(f"damaged or cut short ({reason})") from None


def _decode_deep_colour(content: bytes) -> Grey:
    image = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_UNCHANGED)
    if image is None:
        raise _UnreadableError("damaged, cut short or compressed in an unusual way")
    return _to_grey(image)


def _check_tiff(image: Any) -> None:
    if image.n_frames > 1:
        raise _UnreadableError(f"holds {image.n_frames} pages; export one image a file")
    _check_size(*image.size)
    if image.mode in {"F", "I"} or set(_tag(image, "SampleFormat")) - {1}:
        raise _UnreadableError("floating-point, signed or 32-bit samples; export 8 or 16 bits, unsigned")
    if image.mode not in {"1", "L", "LA", "P", "RGB", "RGBA", "I;16", "I;16B"}:
        raise _UnreadableError(f"{image.mode} colours; export as grey or RGB")
    multiplied = image.mode == "RGBA" and _tag(image, "ExtraSamples") == (1,)
    if _is_deep_colour(image) and (multiplied or _tag(image, "PlanarConfiguration") == (2,)):
        raise _UnreadableError("16-bit colours in planes or multiplied by transparency; export as PNG")


def _is_deep_colour(image: Any) -> bool:
    """Tell 16-bit colour, of which Pillow would keep the high byte."""
    return image.mode in {"RGB", "RGBA"} and max(_tag(image, "BitsPerSample")) == 16


def _tag(image: Any, name: str) -> tuple[int, ...]:
    """Return the values of a TIFF tag; 1 where it is absent, as TIFF 6.0 has it for those asked for here."""
    values = image.tag_v2.get(_TAGS[name], 1)
    return values if isinstance(values, tuple) else (values,)


def _to_grey(image: NDArray[Any]) -> Grey:
    """Bring samples to 8-bit grey: shape (height, width), or with blue, green, red and perhaps alpha last."""
    image = image[..., :3] if image.ndim == 3 else image
    if image.dtype == np.uint16:
        largest = int(image.max())
        depth = next(bits for bits in DEPTHS if largest < 1 << bits)
        narrow = np.empty(image.shape, np.uint8)
        np.right_shift(image, depth - 8, out=narrow, casting="unsafe")  # without a second copy of 16 bits
        image = narrow
    return np.asarray(cv2.cvtColor(image, cv2.COLOR_BGR2GRAY) if image.ndim == 3 else image, np.uint8)
