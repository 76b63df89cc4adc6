"""Changes keep the anatomy: they mirror the image, or touch nothing but what is outside the sector."""

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sonotrace.images.overlays import CHANGES, overlays
from sonotrace.images.preparation import sector, without_overlays


def _image(seed, text=True, shift=0):
    """Draw a speckled sector, 160 x 120 px, and two pieces of text beside it."""
    inside = np.zeros((120, 160), np.uint8)
    cv2.ellipse(inside, (80 + shift, 5), (100, 100), 90, -35, 35, 1, -1)
    image = inside * np.random.default_rng(seed).integers(60, 200, inside.shape, dtype=np.uint8)
    if text:
        image[4:6, 4:20] = 255
        image[110:112, 2:9] = 200
    return image


OTHER = _image(99, text=False)
OF_OVERLAYS = [name for name in CHANGES if name.startswith("overlays_")]
seeds = st.integers(0, 2**32 - 1)
shifts = st.integers(-15, 15)


@pytest.mark.parametrize("name", OF_OVERLAYS)
@given(seed=seeds, shift=shifts)
def test_every_pixel_of_the_sector_stays_when_overlays_change(name, seed, shift):
    image = _image(seed, shift=shift)
    inside = sector(image)
    found = CHANGES[name](image, OTHER)
    assert (found[inside] == image[inside]).all()
    assert (found != image).any()
    assert (found.shape, found.dtype) == (image.shape, image.dtype)


@pytest.mark.parametrize("name", OF_OVERLAYS)
@given(seed=seeds, black=st.booleans())
def test_an_image_without_overlays_stays_as_it_is(name, seed, black):
    image = np.random.default_rng(seed).integers(60, 200, (120, 160), dtype=np.uint8) * (not black)
    assert (CHANGES[name](image, _image(seed)) == image).all()


@given(seed=seeds, shift=shifts)
def test_mirroring_twice_gives_the_image_again(seed, shift):
    image = _image(seed, shift=shift)
    once = CHANGES["mirrored"](image, OTHER)
    assert (once != image).any()
    assert (CHANGES["mirrored"](once, OTHER) == image).all()


@given(seed=seeds)
def test_an_image_is_what_is_in_the_sector_and_its_overlays(seed):
    image = _image(seed)
    assert (np.maximum(without_overlays(image), overlays(image)) == image).all()
    assert not CHANGES["overlays_blanked"](image, OTHER)[~sector(image)].any()


def test_text_goes_where_the_change_says():
    image = _image(1)
    mirrored, moved = (CHANGES[f"overlays_{name}"](image, OTHER) for name in ("mirrored", "moved"))
    assert (mirrored[4:6, 140:156] == 255).all()
    assert not mirrored[4:6, 4:20].any()
    assert (moved[64:66, 4:20] == 255).all()
    assert (moved[50:52, 2:9] == 200).all()


def test_exchanged_overlays_are_those_of_the_other_image():
    image, other = _image(1, text=False), _image(2)
    found = CHANGES["overlays_exchanged"](image, other)
    assert (found[4:6, 4:20] == 255).all()
    assert (CHANGES["overlays_exchanged"](other, image)[4:6, 4:20] == 0).all()
