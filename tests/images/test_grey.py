"""Images are read as 8-bit grey, and what cannot be read is said."""

import io
import resource
import struct
import tracemalloc
import zlib
from concurrent.futures import ThreadPoolExecutor

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageOps

from sonotrace.errors import SonotraceError
from sonotrace.images import grey
from sonotrace.images.grey import (
    MAX_PIXELS,
    MAX_SIDE,
    damage,
    decode_grey,
    header_size,
    read_grey,
    write_png,
)
from sonotrace.labels.listing import images_below, is_dicom

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning:PIL.TiffImagePlugin")
SEEDS = st.integers(0, 2**32 - 1)


def _picture(seed=0):
    noise = np.random.default_rng(seed).integers(0, 256, (40, 56), dtype=np.uint8)
    return cv2.GaussianBlur(noise, (0, 0), 2)


def _saved(image, kind, **options):
    buffer = io.BytesIO()
    (image if isinstance(image, Image.Image) else Image.fromarray(image)).save(buffer, kind, **options)
    return buffer.getvalue()


def _tiff(samples, photometric, tile=0, deflate=False, **tags):
    """Lay out a TIFF as no tool at hand writes it: samples are (height, width) or (height, width, channels)."""
    height, width, *channels = samples.shape
    count = channels[0] if channels else 1
    samples = samples.astype(samples.dtype.newbyteorder("<"))
    parts = [samples]
    if tile:
        padded = np.pad(samples, [(0, -height % tile), (0, -width % tile)] + [(0, 0)] * len(channels))
        rows = [padded[top : top + tile] for top in range(0, height, tile)]
        parts = [row[:, left : left + tile] for row in rows for left in range(0, width, tile)]
    data = [zlib.compress(part.tobytes()) if deflate else part.tobytes() for part in parts]
    at, sizes = (324, 325) if tile else (273, 279)
    values = {256: [width], 257: [height], 259: [8 if deflate else 1], 262: [photometric], 277: [count]}
    values |= {258: [samples.dtype.itemsize * 8] * count, at: [0] * len(data), sizes: [len(part) for part in data]}
    values |= {322: [tile], 323: [tile]} if tile else {278: [height]}
    values |= {{"format": 339, "planar": 284, "extra": 338}[name]: [value] for name, value in tags.items()}
    if 339 in values:
        values[339] *= count
    behind = 8 + 2 + 12 * len(values) + 4
    start = behind + 4 * sum(len(numbers) for numbers in values.values())
    values[at] = [start + sum(values[sizes][:number]) for number in range(len(data))]
    directory, lists = b"", b""
    for tag, numbers in sorted(values.items()):  # all as LONG
        directory += struct.pack("<HHL", tag, 4, len(numbers))
        directory += struct.pack("<L", numbers[0] if len(numbers) == 1 else behind + len(lists))
        lists += struct.pack(f"<{len(numbers)}L", *numbers) if len(numbers) > 1 else b""
    head = struct.pack("<4sLH", b"II*\0", 8, len(values)) + directory + b"\0" * 4 + lists
    return head.ljust(start, b"\0") + b"".join(data)


def _png(width, height, bits=8):
    """Write a PNG's header alone, of a grey image; it states what the file does not hold."""
    header = b"IHDR" + struct.pack(">IIBBBBB", width, height, bits, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + header + struct.pack(">I", zlib.crc32(header))


FORMS = {
    "png": _saved(_picture(), "PNG"),
    "jpeg": _saved(_picture(), "JPEG"),
    "progressive jpeg": _saved(_picture(), "JPEG", progressive=True),
    "bmp": _saved(_picture(), "BMP"),
    "tiff": _saved(_picture(), "TIFF"),
    "lzw tiff": _saved(_picture(), "TIFF", compression="tiff_lzw"),
    "deflate tiff": _saved(_picture(), "TIFF", compression="tiff_adobe_deflate"),
    "jpeg tiff": _saved(_picture(), "TIFF", compression="jpeg"),
    "16-bit colour tiff": cv2.imencode(".tif", np.dstack([_picture()] * 3).astype(np.uint16) * 257)[1].tobytes(),
}


@given(st.integers(1, 40), st.integers(1, 40), st.integers(0, 2**32 - 1))
def test_written_images_are_read_back_bit_by_bit(tmp_path_factory, width, height, seed):
    path = tmp_path_factory.mktemp("png") / "image.png"
    image = np.random.default_rng(seed).integers(0, 256, (height, width), dtype=np.uint8)
    write_png(image, path)
    assert (read_grey(path) == image).all()


def test_the_same_image_is_written_as_the_same_bytes(tmp_path):
    for name in ("one.png", "other.png"):
        write_png(_picture(), tmp_path / name)
    assert (tmp_path / "one.png").read_bytes() == (tmp_path / "other.png").read_bytes()


@pytest.mark.parametrize("form", FORMS)
def test_whole_images_are_decoded(form):
    image = decode_grey(FORMS[form])
    assert image.shape == (40, 56)
    assert np.abs(image.astype(int) - _picture()).mean() < 3


@pytest.mark.parametrize("form", FORMS)
@given(share=st.floats(0, 0.999))
def test_an_image_cut_short_anywhere_is_not_decoded(form, share):
    part = FORMS[form][: int(share * len(FORMS[form]))]
    if "tiff" in form and len(FORMS[form]) - len(part) <= 4:
        return  # only that no page follows is cut off, which is so
    assert decode_grey(part) is None
    assert damage(part)
    assert "\n" not in damage(part)


def test_a_png_with_a_changed_byte_is_not_decoded():
    content = bytearray(FORMS["png"])
    content[len(content) // 2] ^= 255
    assert decode_grey(bytes(content)) is None


def test_a_png_whose_chunk_ends_behind_the_file_is_refused_before_memory_is_taken():
    content = bytearray(FORMS["png"])
    content[content.index(b"IDAT") - 4] = 0x7F
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert decode_grey(bytes(content)) is None
    assert damage(bytes(content)) == "damaged or cut short"
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 2**18  # KiB; OpenCV would take 2 GiB


@given(st.integers(1, 40), st.integers(1, 40), SEEDS, st.sampled_from(["PNG", "BMP", "TIFF"]))
def test_grey_is_decoded_bit_by_bit_from_every_lossless_form(width, height, seed, kind):
    image = np.random.default_rng(seed).integers(0, 256, (height, width), dtype=np.uint8)
    assert (decode_grey(_saved(image, kind)) == image).all()


@given(st.sampled_from([0, 128]), SEEDS)
def test_8_bit_png_and_jpeg_decode_as_opencv_does_by_itself(noise, seed):
    random = np.random.default_rng(seed)
    colours = cv2.GaussianBlur(random.integers(noise, 256, (23, 31, 3), dtype=np.uint8), (0, 0), 1)
    for content in (_saved(colours, "PNG"), _saved(colours, "JPEG"), _saved(colours[..., 0], "JPEG")):
        expected = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_GRAYSCALE)
        assert (decode_grey(content) == expected).all()


COLOURS = np.array([[[255, 0, 0], [0, 255, 0], [0, 0, 255], [90, 90, 90]]], np.uint8)
LUMA = [76, 150, 29, 90]


@pytest.mark.parametrize("kind", ["PNG", "BMP", "TIFF"])
@pytest.mark.parametrize("mode", ["RGB", "RGBA", "P"])
def test_colour_becomes_luma(kind, mode):
    image = Image.fromarray(COLOURS)
    image = image.quantize(4) if mode == "P" else image.convert(mode)
    np.testing.assert_allclose(decode_grey(_saved(image, kind))[0], LUMA, atol=1)


@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
@pytest.mark.parametrize("alpha", [0, 1, 100, 255])
def test_transparency_is_ignored(kind, alpha):
    see_through = np.dstack([COLOURS, np.full((1, 4), alpha, np.uint8)])
    np.testing.assert_allclose(decode_grey(_saved(see_through, kind))[0], LUMA, atol=1)
    grey = np.dstack([COLOURS[..., 0], np.full((1, 4), alpha, np.uint8)])
    assert decode_grey(_saved(grey, kind))[0].tolist() == COLOURS[0, :, 0].tolist()


@pytest.mark.parametrize("kind", ["PNG", "BMP", "TIFF"])
def test_black_and_white_become_0_and_255(kind):
    image = Image.fromarray(np.array([[0, 255, 255, 0, 255]], np.uint8)).convert("1")
    assert decode_grey(_saved(image, kind)).tolist() == [[0, 255, 255, 0, 255]]


@pytest.mark.parametrize("ending", [".png", ".tif"])
@pytest.mark.parametrize(
    ("largest", "shift"),
    [(0, 0), (255, 0), (256, 2), (1023, 2), (1024, 4), (4095, 4), (4096, 8), (16383, 8), (65535, 8)],
)
def test_16_bit_samples_keep_the_high_bits_of_the_depth_in_use(ending, largest, shift):
    samples = np.array([[0, largest // 3, largest // 2, largest]], np.uint16)
    content = cv2.imencode(ending, samples)[1].tobytes()
    assert decode_grey(content).tolist() == (samples >> shift).tolist()


@given(SEEDS, st.integers(1, 16), st.sampled_from([".png", ".tif"]), st.integers(1, 9), st.integers(1, 9))
def test_the_16_bit_rule_uses_the_upper_half_of_grey_and_keeps_order(seed, bits, ending, width, height):
    samples = np.random.default_rng(seed).integers(0, 1 << bits, (height, width)).astype(np.uint16)
    grey = decode_grey(cv2.imencode(ending, samples)[1].tobytes())
    assert grey.shape == samples.shape
    order = np.argsort(samples, axis=None)
    assert (np.diff(grey.ravel()[order].astype(int)) >= 0).all()
    depth = next(depth for depth in (8, 10, 12, 16) if samples.max() < 1 << depth)
    assert (grey == samples // (1 << (depth - 8))).all()


@pytest.mark.parametrize("ending", [".png", ".tif"])
@pytest.mark.parametrize("factor", [1, 4, 16, 257])
def test_16_bit_colour_is_brought_to_8_bits_then_to_luma(ending, factor):
    samples = COLOURS[..., ::-1].astype(np.uint16) * factor
    np.testing.assert_allclose(decode_grey(cv2.imencode(ending, samples)[1].tobytes())[0], LUMA, atol=1)


@pytest.mark.parametrize("alpha", [0, 65535])
def test_transparency_does_not_count_as_a_16_bit_sample(alpha):
    colours = COLOURS.astype(np.uint16) * 16
    samples = np.dstack([colours, np.full((1, 4), alpha, np.uint16)])
    png = cv2.imencode(".png", samples[..., [2, 1, 0, 3]])[1].tobytes()
    for content in (png, _tiff(samples, 2, extra=2)):
        np.testing.assert_allclose(decode_grey(content)[0], LUMA, atol=1)


@pytest.mark.parametrize(
    ("samples", "seen"),
    [
        (np.array([[0, 1, 200, 255]], np.uint8), [255, 254, 55, 0]),
        (np.array([[0, 16, 2048, 4095]], np.uint16), [255, 254, 127, 0]),
        (np.array([[0, 256, 32768, 65535]], np.uint16), [255, 254, 127, 0]),
    ],
)
def test_a_tiff_in_which_0_is_white_is_inverted(samples, seen):
    assert decode_grey(_tiff(samples, 0)).tolist() == [seen]


COMPRESSIONS = ["raw", "tiff_lzw", "tiff_adobe_deflate", "packbits"]


@pytest.mark.parametrize("compression", COMPRESSIONS)
@pytest.mark.parametrize("bits", [8, 16])
@pytest.mark.parametrize("big", [False, True])
def test_compressed_and_big_tiffs_are_read(compression, bits, big):
    image = _picture() if bits == 8 else _picture().astype(np.uint16) << 8
    assert (decode_grey(_saved(image, "TIFF", compression=compression, big_tiff=big)) == _picture()).all()


@pytest.mark.parametrize("deflate", [False, True])
@pytest.mark.parametrize("bits", [8, 16])
@pytest.mark.parametrize("channels", [1, 3])
def test_tiled_tiffs_are_read(deflate, bits, channels):
    image = _picture() if bits == 8 else _picture().astype(np.uint16) << 8
    image = np.dstack([image] * 3) if channels == 3 else image
    content = _tiff(image, 2 if channels == 3 else 1, tile=16, deflate=deflate)
    assert (decode_grey(content) == _picture()).all()


@pytest.mark.parametrize("pages", [2, 3])
def test_a_tiff_of_several_pages_is_refused(pages):
    images = [Image.fromarray(_picture(page)) for page in range(pages)]
    content = _saved(images[0], "TIFF", save_all=True, append_images=images[1:])
    assert decode_grey(content) is None
    assert damage(content) == f"holds {pages} pages; export one image a file"


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (_saved(_picture().astype(np.float32), "TIFF"), "floating-point"),
        (_saved(_picture().astype(np.int32), "TIFF"), "32-bit samples"),
        (_tiff(_picture().astype(np.uint32), 1), "32-bit samples"),
        (_tiff(_picture().astype(np.int16), 1, format=2), "signed"),
        (_tiff(_picture().astype(np.int8), 1, format=2), "signed"),
        (_saved(Image.fromarray(COLOURS).convert("CMYK"), "TIFF"), "CMYK colours; export as grey or RGB"),
        (_tiff(np.zeros((4, 4, 3), np.uint16), 2, planar=2), "16-bit colours in planes"),
        (_tiff(np.zeros((4, 4, 4), np.uint16), 2, extra=1), "multiplied by transparency"),
    ],
)
def test_a_tiff_of_unusual_samples_is_refused(content, reason):
    assert decode_grey(content) is None
    assert reason in damage(content)


@pytest.mark.parametrize("kind", ["JPEG", "TIFF"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_the_size_decoded_is_that_of_the_header_whatever_the_orientation(tmp_path, kind, orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = tmp_path / "image"
    path.write_bytes(_saved(_picture(), kind, exif=exif))
    height, width = read_grey(path).shape
    assert header_size(path) == (width, height)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_jpeg_is_turned_as_viewers_show_it(orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    content = _saved(_picture(), "JPEG", exif=exif)
    with Image.open(io.BytesIO(content)) as image:
        shown = np.array(ImageOps.exif_transpose(image))
    assert abs(decode_grey(content).astype(int) - shown).max() <= 3


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_png_that_exif_turns_is_refused(orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    content = _saved(_picture(), "PNG", exif=exif)
    assert ("its EXIF data turn it" in damage(content)) is (orientation > 1)


@pytest.mark.parametrize("exif", [b"Exif\0\0", b"Exif\0\0II*\0\xff\xff\xff\xff", b"Exif\0\0nonsense", b"http://ns\0x"])
def test_unusable_exif_data_turn_nothing(exif):
    segment = b"\xff\xe1" + struct.pack(">H", len(exif) + 2) + exif
    content = FORMS["jpeg"][:2] + segment + FORMS["jpeg"][2:]
    assert (decode_grey(content) == decode_grey(FORMS["jpeg"])).all()


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (_saved(_picture(), "GIF"), "GIF"),
        (_saved(_picture(), "WEBP"), "WebP"),
        (b"\0\0\0\x18ftypheic" + bytes(40), "HEIF or AVIF"),
        (b"PK\x03\x04" + bytes(40), "zip"),
    ],
)
def test_what_other_kind_a_file_is_is_said(content, kind):
    assert damage(content) == f"a {kind} file, not a PNG, JPEG, TIFF or BMP image"


def test_a_file_without_an_image_header_has_no_size(tmp_path):
    (tmp_path / "a.png").write_bytes(b"no image")
    assert header_size(tmp_path / "a.png") is None
    assert header_size(tmp_path / "gone.png") is None


def _restated(content, width, height):
    """Make a JPEG, BMP or TIFF state another size."""
    content = bytearray(content)
    if content.startswith(b"BM"):
        content[18:26] = struct.pack("<ii", width, height)
    elif content.startswith(b"II"):
        for tag, value in ((256, width), (257, height)):
            at = content.index(struct.pack("<H", tag), 8)
            content[at : at + 12] = struct.pack("<HHLL", tag, 4, 1, value)
    else:
        at = content.index(b"\xff\xc0")
        content[at + 5 : at + 9] = struct.pack(">HH", height, width)
    return bytes(content)


@pytest.mark.parametrize(("width", "height"), [(8000, 8001), (60000, 60000), (MAX_SIDE + 1, 1), (1, MAX_SIDE + 1)])
@pytest.mark.parametrize("form", ["png", "jpeg", "bmp", "tiff"])
def test_an_image_too_large_is_refused_by_its_header(form, width, height):
    if form == "jpeg" and max(width, height) > MAX_SIDE:
        width, height = 65535, 65535  # a JPEG cannot state more
    content = _png(width, height) if form == "png" else _restated(FORMS[form], width, height)
    assert decode_grey(content) is None
    assert f"more than {MAX_PIXELS // 10**6} million pixels" in damage(content)


@pytest.mark.parametrize(("width", "height"), [(8000, MAX_PIXELS // 8000), (MAX_SIDE, 1)])
def test_an_image_of_the_largest_size_is_not_too_large(width, height):
    assert damage(_png(width, height)) == "damaged or cut short"


def test_what_follows_the_end_of_a_png_does_not_matter():
    assert (decode_grey(FORMS["png"] + b"\xff" * 20) == _picture()).all()


def test_a_preview_inside_a_jpeg_does_not_count():
    preview = _restated(FORMS["jpeg"], 60000, 60000)
    segment = b"\xff\xe1" + struct.pack(">H", len(preview) + 2) + preview
    content = FORMS["jpeg"][:2] + segment + FORMS["jpeg"][2:]
    assert (decode_grey(content) == decode_grey(FORMS["jpeg"])).all()


def test_a_bmp_that_stands_on_its_head_is_read():
    assert (decode_grey(_restated(FORMS["bmp"], 56, -40)) == _picture()[::-1]).all()
    assert "more than 64 million pixels" in damage(_restated(FORMS["bmp"], 8000, -8001))


@pytest.mark.parametrize("form", FORMS)
def test_whole_images_have_no_damage(form):
    assert damage(FORMS[form]) == ""


@pytest.mark.parametrize("form", FORMS)
@given(at=st.floats(0, 0.999), byte=st.integers(0, 255))
def test_a_changed_byte_is_decoded_or_explained_but_never_a_crash(form, at, byte):
    content = bytearray(FORMS[form])
    content[int(at * min(len(content), 200))] = byte
    reason = damage(bytes(content))
    assert (decode_grey(bytes(content)) is None) is (reason != "")
    assert "\n" not in reason
    assert " at 0x" not in reason


def test_images_are_told_by_their_ending_and_dicom_by_its_mark(tmp_path):
    mark = bytes(128) + b"DICM"
    taken = [
        "a.PNG",
        "a.jpg",
        "a.jpeg",
        "a.tif",
        "a.TIFF",
        "a.bmp",
        "a.jfif",
        "a.gif",
        "a.WebP",
        "a.heic",
        "a.DCM",
        "a.dicom",
        "sub/a.Bmp",
    ]
    for name in [*taken, ".a.png", "a.txt", "a", "sub.png/none"]:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    for name in ("IM0001", "sub/IM0002", "DICOMDIR", "notes.txt", ".IM0003", "1.2.840"):
        (tmp_path / name).write_bytes(mark)
    (tmp_path / "late").write_bytes(b"x" + mark)
    (tmp_path / "disguised.png").write_bytes(mark)
    assert is_dicom(tmp_path / "disguised.png")
    assert not is_dicom(tmp_path / "a.jpg")
    found = [path.relative_to(tmp_path).as_posix() for path in images_below(tmp_path)]
    assert sorted(found) == sorted([*taken, "IM0001", "sub/IM0002", "1.2.840", "disguised.png"])
    assert found == [path.relative_to(tmp_path).as_posix() for path in sorted(images_below(tmp_path))]


def test_threads_decode_the_same_images():
    contents = list(FORMS.values()) * 8
    with ThreadPoolExecutor(8) as pool:
        for image, content in zip(pool.map(decode_grey, contents), contents, strict=True):
            assert (image == decode_grey(content)).all()


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "empty file"),
        (b"<html>404</html>", "not a PNG, JPEG, TIFF or BMP image"),
        (_saved(_picture(), "GIF"), "not a PNG, JPEG, TIFF or BMP image"),
        (bytes(128) + b"DICM" + bytes(40), "a DICOM file, not an image"),
        (FORMS["jpeg"][:-40], "truncated"),
        (FORMS["lzw tiff"][:-40], "damaged or"),
        (b"II*\0", "a TIFF that is damaged or of an unusual kind"),
    ],
)
def test_an_unreadable_file_is_named_with_the_reason(tmp_path, content, reason):
    path = tmp_path / "image.png"
    path.write_bytes(content)
    with pytest.raises(SonotraceError, match=rf"image\.png: .*{reason}.*; export the image again"):
        read_grey(path)


def test_a_library_that_replaces_pillows_open_changes_no_message(tmp_path, monkeypatch):
    def asks_for_more(*_, **__):
        raise ModuleNotFoundError("No module named 'pi_heif'")  # as Ultralytics' does with a file it does not know

    monkeypatch.setattr(Image, "open", asks_for_more)
    path = tmp_path / "image.png"
    path.write_bytes(b"<html>404</html>")
    with pytest.raises(SonotraceError, match=r"image\.png: .*not a PNG, JPEG, TIFF or BMP image"):
        read_grey(path)


def test_a_missing_image_is_named(tmp_path):
    with pytest.raises(SonotraceError, match=r"gone\.png: cannot be read \(No such file"):
        read_grey(tmp_path / "gone.png")


def test_a_folder_that_cannot_be_written_to_is_an_error(tmp_path):
    with pytest.raises(SonotraceError, match=r"image\.png: cannot be written"):
        write_png(_picture(), tmp_path / "gone" / "image.png")


def test_a_16_bit_image_is_made_grey_without_another_copy_of_16_bits():
    image = np.random.default_rng(0).integers(0, 4096, (3000, 500, 4), dtype=np.uint16)
    tracemalloc.start()
    made = grey._to_grey(image)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert made.shape == (3000, 500)
    assert peak < 0.75 * image.nbytes
