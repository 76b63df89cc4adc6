"""Images are read as 8-bit grey, and what cannot be read is said."""

import io

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from sonotrace.errors import SonotraceError
from sonotrace.images import damage, decode_grey, read_grey, write_png


def _picture(seed=0):
    noise = np.random.default_rng(seed).integers(0, 256, (40, 56), dtype=np.uint8)
    return cv2.GaussianBlur(noise, (0, 0), 2)


def _encoded(kind, **options):
    buffer = io.BytesIO()
    Image.fromarray(_picture()).save(buffer, kind, **options)
    return buffer.getvalue()


FORMS = {
    "png": _encoded("PNG"),
    "jpeg": _encoded("JPEG"),
    "progressive jpeg": _encoded("JPEG", progressive=True),
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
    assert decode_grey(part) is None
    assert damage(part)
    assert "\n" not in damage(part)


def test_a_png_with_a_changed_byte_is_not_decoded():
    content = bytearray(FORMS["png"])
    content[len(content) // 2] ^= 255
    assert decode_grey(bytes(content)) is None


def test_colour_becomes_luma():
    colours = np.array([[[255, 0, 0], [0, 255, 0], [0, 0, 255], [90, 90, 90]]], np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(colours).save(buffer, "PNG")
    np.testing.assert_allclose(decode_grey(buffer.getvalue())[0], [76, 150, 29, 90], atol=1)


def test_16_bit_samples_keep_their_high_byte():
    samples = np.array([[0, 255, 256, 0x1234, 65535]], np.uint16)
    content = cv2.imencode(".png", samples)[1].tobytes()
    assert decode_grey(content).tolist() == [[0, 0, 1, 0x12, 255]]


@pytest.mark.parametrize(
    ("content", "reason"),
    [(b"", "empty file"), (b"<html>404</html>", "not a PNG or JPEG image"), (FORMS["jpeg"][:-40], "truncated")],
)
def test_an_unreadable_file_is_named_with_the_reason(tmp_path, content, reason):
    path = tmp_path / "image.png"
    path.write_bytes(content)
    with pytest.raises(SonotraceError, match=rf"image\.png: .*{reason}.*; export the image again"):
        read_grey(path)


def test_a_missing_image_is_named(tmp_path):
    with pytest.raises(SonotraceError, match=r"gone\.png: cannot be read \(No such file"):
        read_grey(tmp_path / "gone.png")


def test_a_folder_that_cannot_be_written_to_is_an_error(tmp_path):
    with pytest.raises(SonotraceError, match=r"image\.png: cannot be written"):
        write_png(_picture(), tmp_path / "gone" / "image.png")
