"""Read ultrasound images and clips from DICOM files, and let nothing past that could tell who it is.

Closed by default: of a file's attributes only those in `ATTRIBUTES` are looked at, of its pixels
only those inside the ultrasound region are kept, and what does not say of itself that it is a clean
ultrasound image is refused. Attribute names and values are those of DICOM PS3.3 and PS3.6.

What this cannot see: text burned into the region itself, in a file that does not say so.
"""

import io
import logging
import math
import re
import struct
import warnings
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from sonotrace.images.grey import MAX_PIXELS, MAX_SIDE, Grey

PLUGIN = "pylibjpeg"
"""Of pydicom's decoders the one that is used, so that pixels do not depend on what else is installed."""

ATTRIBUTES = (
    *("SpecificCharacterSet", "SOPClassUID", "SOPInstanceUID", "Modality"),
    *("Manufacturer", "ManufacturerModelName", "PatientID", "IssuerOfPatientID"),
    *("SequenceOfUltrasoundRegions", "BurnedInAnnotation"),
    *("SamplesPerPixel", "PhotometricInterpretation", "PlanarConfiguration", "NumberOfFrames", "Rows", "Columns"),
    *("BitsAllocated", "BitsStored", "HighBit", "PixelRepresentation"),
    *(f"{colour}PaletteColorLookupTableDescriptor" for colour in ("Red", "Green", "Blue")),
    *(f"{colour}PaletteColorLookupTableData" for colour in ("Red", "Green", "Blue")),
    *(f"Segmented{colour}PaletteColorLookupTableData" for colour in ("Red", "Green", "Blue")),
    *("ExtendedOffsetTable", "ExtendedOffsetTableLengths", "PixelData"),
)
"""All that is kept of a file on reading; of data sets nested in it, only the ultrasound regions."""

ULTRASOUND = {
    "1.2.840.10008.5.1.4.1.1.6.1": "Ultrasound Image Storage",
    "1.2.840.10008.5.1.4.1.1.3.1": "Ultrasound Multi-frame Image Storage",
    "1.2.840.10008.5.1.4.1.1.6": "Ultrasound Image Storage (retired)",
    "1.2.840.10008.5.1.4.1.1.3": "Ultrasound Multi-frame Image Storage (retired)",
}
"""SOP classes of ultrasound images, for files that do not state their modality."""

MOST_PIXELS = 1_000_000_000
"""Most pixels of all frames that are read from one file."""
MOST_BYTES = 300_000_000
"""Most bytes that a deflated file may inflate to."""

Region = tuple[int, int, int, int]
"""Left, top, right, bottom in px of the full frame; right and bottom lie outside."""

_JPEG = b"\xff\xd8"
_MARKER = re.compile(rb"\xff([^\x00\xff])", re.DOTALL)
_FRAMES = (*range(0xC0, 0xC4), *range(0xC5, 0xC8), *range(0xC9, 0xCC), *range(0xCD, 0xD0), 0xDE, 0xF7)
"""Markers of frame headers: SOFn, DHP of a hierarchical JPEG, and SOF55 of JPEG-LS."""
_CODESTREAM = re.compile(rb"\xff\x4f\xff\x51.{4}(.{16})", re.DOTALL)
"""Start of a JPEG 2000 codestream: SOC, SIZ, its length and capabilities, then the corners of the image."""


@dataclass(frozen=True, eq=False)
class Frame:
    """One frame of a clip."""

    number: int
    """From 1."""
    image: Grey = field(repr=False)
    """The pixels inside the region, and no others."""
    region: Region
    """Where the image lies in the full frame."""


@dataclass(frozen=True, eq=False)
class Clip:
    """What a DICOM file gave: one frame or several."""

    frames: list[Frame]
    size: tuple[int, int]
    """Width and height of a full frame, px."""
    patient: str = field(repr=False)
    """Patient id, after a line break the id's issuer if stated: to make a pseudonym of, not to show."""
    instance: str = field(repr=False)
    """SOP instance UID: to make a pseudonym of, not to show."""
    scanner: str
    """Make and model, as in `crops`."""
    mm_per_px: tuple[float, float] | None
    """Size of a pixel in x and y, mm; None where the file does not state it."""


class Refused(Exception):  # noqa: N818 - a finding about a file, which becomes a row of the quarantine
    """A file may not or cannot be taken in.

    `reason` is one of a few, `detail` says more and names the remedy; of the file's attributes they
    tell make and model, and nothing else.
    """

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(reason, detail)
        self.reason = reason
        self.detail = detail


def read(
    content: bytes, frames: Literal["middle", "all"] | int, crops: Mapping[str, Region], needs_patient: bool = True
) -> Clip:
    """Read the chosen frames of a DICOM file, as 8-bit grey, cut to the ultrasound region.

    `frames` is `middle` (of an even number the earlier one), `all`, or one number from 1; no other
    frame is decoded. The region is the largest of the file's regions that show tissue in 2D
    (PS3.3 C.8.5.5). `crops` has boxes for devices by make and model, such as `GE Healthcare Voluson
    E8`; a box given there is used instead, as its author's word that nothing is burned in inside it.
    Where `needs_patient` is false, a file without a patient or instance is read too: whoever only looks at the
    image need not know whose it is.

    Grey values are the stored ones: modality, VOI and presentation LUTs are not applied, as
    ultrasound is stored the way it is shown. MONOCHROME1 is inverted, colour becomes ITU-R BT.601
    luma, longer samples keep the highest 8 of their stored bits, and the lowest signed value is 0.
    Overlays are not drawn.

    Raises Refused, and nothing else, where the file or the frame cannot be used.
    """
    _keep_quiet()
    try:
        return _read(content, frames, crops, needs_patient)
    except Refused:
        raise
    except Exception:  # noqa: BLE001 - pydicom raises many kinds for damaged files, with values in their text
        raise Refused("damaged file", "it cannot be read as DICOM; export it again") from None


def _keep_quiet() -> None:
    """Keep warnings of pydicom and highdicom, which quote values, from logs and terminals, for good, in all threads.

    `warnings.catch_warnings` would not do: leaving it in one thread undoes it in the others.
    """
    for library in ("pydicom", "highdicom"):
        logging.getLogger(library).propagate = False
    silence = ("ignore", None, Warning, re.compile("pydicom|highdicom"), 0)
    if warnings.filters[:1] != [silence]:
        warnings.filterwarnings("ignore", module="pydicom|highdicom")


def _read(
    content: bytes, frames: Literal["middle", "all"] | int, crops: Mapping[str, Region], needs_patient: bool
) -> Clip:
    dataset = _parse(content)
    _check_kind(dataset)
    patient = _patient(dataset) if needs_patient else ""
    instance, scanner = _text(dataset, "SOPInstanceUID"), _scanner(dataset)
    if not instance and needs_patient:
        raise Refused("damaged file", "no SOP instance UID; export it again")
    size = (dataset.Columns, dataset.Rows)
    box, mm_per_px = _box(dataset, size, scanner, {" ".join(device.split()): crop for device, crop in crops.items()})
    total = max(1, int(dataset.get("NumberOfFrames") or 1))
    if total > len(content):
        raise Refused("damaged file", "it claims more frames than it has bytes; export it again")
    numbers = _numbers(frames, total)
    left, top, right, bottom = box
    _check_size(*size)
    if len(numbers) * (right - left) * (bottom - top) > MOST_PIXELS:
        raise Refused("too large", f"over {MOST_PIXELS // 10**6} million pixels in all frames; choose one frame")
    images = []
    for pixels, photometric in _decoded(dataset, numbers, total):
        images.append(_grey(pixels[top:bottom, left:right], photometric, dataset))
    taken = [Frame(number, image, box) for number, image in zip(numbers, images, strict=True)]
    return Clip(taken, size, patient, instance, scanner, mm_per_px)


def _parse(content: bytes) -> Any:
    """Read the attributes that are let in, and make sure that the pixel data is whole."""
    from pydicom import dcmread
    from pydicom.errors import InvalidDicomError

    try:
        _check_inflated(content)
        dataset = dcmread(io.BytesIO(content), specific_tags=list(ATTRIBUTES))
    except InvalidDicomError:
        raise Refused("damaged file", "no DICOM file, or its header is missing; export it again") from None
    if not len(dataset):  # what pydicom makes of compressed pixel data without its end mark
        raise Refused("damaged file", "cut short; export it again")
    if "PixelData" not in dataset:
        raise Refused("no image", "no pixel data: a document, or a file cut short")
    stored: Any = dataset.get_item("PixelData")
    undefined = 0xFFFFFFFF
    if stored.length not in (undefined, len(stored.value or b"")):
        raise Refused("damaged file", "cut short; export it again")
    return dataset


def _check_inflated(content: bytes) -> None:
    """Raise Refused for a deflated data set that is larger than pydicom should inflate in memory."""
    from pydicom.filereader import _read_file_meta_info, read_preamble
    from pydicom.uid import DeflatedExplicitVRLittleEndian

    stream = io.BytesIO(content)
    read_preamble(stream, force=False)
    if _read_file_meta_info(stream).get("TransferSyntaxUID") != DeflatedExplicitVRLittleEndian:
        return
    inflater, length, left = zlib.decompressobj(-zlib.MAX_WBITS), 0, stream.read()
    while left and not inflater.eof:
        length += len(inflater.decompress(left, 1 << 20))
        left = inflater.unconsumed_tail
        if length > MOST_BYTES:
            raise Refused("too large", f"inflates to over {MOST_BYTES // 10**6} MB; export it uncompressed")


def _check_size(width: int, height: int) -> None:
    if width * height > MAX_PIXELS or max(width, height) > MAX_SIDE:
        raise Refused("too large", f"frames of over {MAX_PIXELS // 10**6} million pixels or {MAX_SIDE} px a side")


def _check_streams(dataset: Any, numbers: list[int], total: int) -> None:
    """Raise Refused for a compressed frame whose own header claims too large a size: decoders allocate that much."""
    from pydicom.encaps import get_frame

    offsets = (dataset.get("ExtendedOffsetTable"), dataset.get("ExtendedOffsetTableLengths"))
    extended = offsets if all(offsets) else None
    for number in numbers:
        stream = get_frame(dataset.PixelData, number - 1, number_of_frames=total, extended_offsets=extended)
        for size in _stated_sizes(stream):
            _check_size(*size)
            if 0 in size:  # JPEG may state the height after the lines; until then the decoder takes gigabytes
                raise Refused("undecodable pixels", "a compressed frame states no height or width; export it again")


def _stated_sizes(stream: bytes) -> Iterator[tuple[int, int]]:
    """Yield the width and height of each frame header in a JPEG (ITU-T T.81), JPEG-LS or JPEG 2000 (T.800) stream."""
    if not stream.startswith(_JPEG):
        for found in _CODESTREAM.finditer(stream):
            right, bottom, left, top = struct.unpack(">4I", found[1])
            yield right - left, bottom - top
        return
    at = 2
    while marker := _MARKER.search(stream, at):
        kind, at = marker[1][0], marker.end()
        if kind in _FRAMES and len(stream) >= at + 7:
            height, width = struct.unpack_from(">HH", stream, at + 3)
            yield width, height
        if kind != 0x01 and not 0xD0 <= kind <= 0xD9 and len(stream) >= at + 2:  # those have no length
            at += int.from_bytes(stream[at : at + 2])


def _check_kind(dataset: Any) -> None:
    modality = _text(dataset, "Modality")
    if modality != "US" and (modality or _text(dataset, "SOPClassUID") not in ULTRASOUND):
        raise Refused("not ultrasound", "its modality is another or not stated; take the file out")


def _patient(dataset: Any) -> str:
    patient = "\n".join(filter(None, (_text(dataset, "PatientID"), _text(dataset, "IssuerOfPatientID"))))
    if not _text(dataset, "PatientID") or "\ufffd" in patient:  # what pydicom puts where a character is lost
        raise Refused("unreadable patient", "no patient id, or one in a wrong character set; export it again")
    return patient


def _scanner(dataset: Any) -> str:
    return " ".join(f"{_text(dataset, 'Manufacturer')} {_text(dataset, 'ManufacturerModelName')}".split())


def _text(dataset: Any, keyword: str) -> str:
    """Return a single text value without DICOM's padding; empty where there is none, or several."""
    value = dataset.get(keyword)
    return str(value).strip(" \0") if isinstance(value, str) else ""


@dataclass(frozen=True)
class _Tissue:
    """A region of tissue in 2D, and the size of its pixels in x and y, mm."""

    box: Region
    mm_per_px: tuple[float, float] | None

    @property
    def area(self) -> int:
        left, top, right, bottom = self.box
        return (right - left) * (bottom - top)


def _box(
    dataset: Any, size: tuple[int, int], scanner: str, crops: Mapping[str, Region]
) -> tuple[Region, tuple[float, float] | None]:
    """Choose what to keep of a frame, and say how large its pixels are."""
    tissues = _tissues(dataset, size)
    crop = crops.get(scanner)
    if crop and scanner:
        if not (0 <= crop[0] < crop[2] <= size[0] and 0 <= crop[1] < crop[3] <= size[1]):
            raise Refused("crop box out of frame", f"the box in `crops` for {scanner!r} reaches out of this frame")
        sizes = {tissue.mm_per_px for tissue in tissues if _overlap(tissue.box, crop)}
        return crop, sizes.pop() if len(sizes) == 1 else None
    if _text(dataset, "BurnedInAnnotation").upper() not in {"", "NO"}:
        raise Refused("burned-in annotation", f"only a box in `crops` for {scanner!r} lets it in")
    if not tissues:
        raise Refused("no ultrasound region", f"only a box in `crops` for {scanner!r} lets it in")
    largest = max(tissues, key=lambda tissue: tissue.area)
    return largest.box, largest.mm_per_px


def _tissues(dataset: Any, size: tuple[int, int]) -> list[_Tissue]:
    """List the regions of tissue in 2D, without empty ones.

    Corners are inclusive; scanners that count to the frame's width or height instead are off by one.
    Where a region reaches out further, the image was resized or cut after the regions were written:
    then none of them tells what is clean.
    """
    tissues = []
    for item in dataset.get("SequenceOfUltrasoundRegions") or []:
        corners = [item.get(f"RegionLocation{corner}") for corner in ("MinX0", "MinY0", "MaxX1", "MaxY1")]
        if (item.get("RegionSpatialFormat"), item.get("RegionDataType")) != (1, 1) or None in corners:
            continue
        left, top, right, bottom = corners
        if right > size[0] or bottom > size[1]:
            return []
        if 0 <= left < right and 0 <= top < bottom:
            box = (left, top, min(right + 1, size[0]), min(bottom + 1, size[1]))
            tissues.append(_Tissue(box, _mm_per_px(item)))
    return tissues


def _mm_per_px(region: Any) -> tuple[float, float] | None:
    units = {region.get("PhysicalUnitsXDirection"), region.get("PhysicalUnitsYDirection")}
    x, y = (abs(float(region.get(f"PhysicalDelta{axis}") or 0)) * 10 for axis in "XY")  # cm to mm
    return (x, y) if units == {3} and 0 < x < math.inf and 0 < y < math.inf else None


def _overlap(one: Region, other: Region) -> bool:
    return one[0] < other[2] and other[0] < one[2] and one[1] < other[3] and other[1] < one[3]


def _numbers(frames: Literal["middle", "all"] | int, total: int) -> list[int]:
    if frames == "all":
        return list(range(1, total + 1))
    number = (total + 1) // 2 if frames == "middle" or total == 1 else frames
    if not 1 <= number <= total:
        raise Refused("no such frame", f"frame {number} is asked for, and the clip ends before; choose another")
    return [number]


def _decoded(dataset: Any, numbers: list[int], total: int) -> Iterator[tuple[NDArray[Any], str]]:
    """Decode frames in turn: pixels, of shape (height, width) or (height, width, 3), and their colour space."""
    from pydicom.pixels.decoders.base import get_decoder

    try:
        decoder = get_decoder(dataset.file_meta.TransferSyntaxUID)
    except NotImplementedError:
        raise Refused("unsupported compression", "video, or rare; export it as JPEG or uncompressed") from None
    indices = None if len(numbers) == total else [number - 1 for number in numbers]
    plugin = PLUGIN if decoder.is_encapsulated else ""
    try:
        if decoder.is_encapsulated:
            _check_streams(dataset, numbers, total)
        decoded = decoder.iter_array(dataset, indices=indices, decoding_plugin=plugin)
        for _ in numbers:
            pixels, properties = next(decoded)
            yield pixels, str(properties["photometric_interpretation"])
    except Refused:
        raise
    except Exception:  # noqa: BLE001 - each decoder raises its own kinds
        raise Refused("undecodable pixels", "damaged, or other than the file states; export it again") from None


def _grey(pixels: NDArray[Any], photometric: str, dataset: Any) -> Grey:
    """Turn samples as stored into 8-bit grey, in memory of its own."""
    from pydicom.pixels.processing import apply_color_lut

    bits = dataset.BitsStored
    if not 8 <= bits <= 16 or dataset.get("HighBit", bits - 1) != bits - 1:
        raise Refused("unsupported pixels", "samples of other than 8 to 16 bits; export it as 8-bit grey or RGB")
    if photometric == "PALETTE COLOR":
        pixels = apply_color_lut(pixels, _little_endian_palette(dataset))
        deep = pixels.dtype.itemsize > 1 and dataset.RedPaletteColorLookupTableDescriptor[2] > 8
        return _luma(_high_bits(pixels, 16 if deep else 8))
    if dataset.PixelRepresentation == 1:
        pixels = pixels.astype(np.int32) + (1 << (bits - 1))
    grey = _high_bits(pixels, bits)
    if photometric == "RGB":
        return _luma(grey)
    if photometric == "MONOCHROME2":
        return grey
    if photometric == "MONOCHROME1":
        return 255 - grey
    raise Refused("unsupported pixels", "a colour space other than grey, RGB, YBR or palette; export it as RGB")


def _little_endian_palette(dataset: Any) -> Any:
    """Return the palette of a data set as it would be in little-endian order; pydicom reads no other.

    Its tables are 16-bit words (VR OW), also where their entries have 8 bits.
    """
    from pydicom.dataset import Dataset, FileMetaDataset
    from pydicom.uid import ExplicitVRLittleEndian

    if dataset.file_meta.TransferSyntaxUID.is_little_endian:
        return dataset
    palette: Any = Dataset()
    palette.file_meta = FileMetaDataset()
    palette.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    for element in dataset:
        if "PaletteColorLookupTable" in element.keyword:
            is_table = element.keyword.endswith("Data")
            value = np.frombuffer(element.value, ">u2").astype("<u2").tobytes() if is_table else element.value
            palette.add_new(element.tag, element.VR, value)
    return palette


def _high_bits(samples: NDArray[Any], bits: int) -> Grey:
    return np.asarray(np.clip(samples >> (bits - 8), 0, 255), np.uint8)


def _luma(colours: Grey) -> Grey:
    return np.asarray(cv2.cvtColor(np.ascontiguousarray(colours), cv2.COLOR_RGB2GRAY), np.uint8)
