"""A photograph among ultrasound images is found, and what is not one is left alone."""

import cv2
import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sonotrace.checks import unlike


def _ultrasound(seed):
    """Draw a grey sector on black, of speckle."""
    random = np.random.default_rng(seed)
    image = np.zeros((120, 160), np.uint8)
    speckle = random.gamma(2, 20, image.shape).clip(0, 255).astype(np.uint8)
    mask = cv2.ellipse(np.zeros_like(image), (80, 10), (70, 100), 0, 20, 160, 255, -1)
    return np.where(mask > 0, speckle, image)


def _photograph(seed):
    """Draw smooth coloured patches without any black."""
    random = np.random.default_rng(seed)
    small = random.integers(60, 256, (6, 8, 3), dtype=np.uint8)
    return cv2.resize(small, (160, 120), interpolation=cv2.INTER_CUBIC).clip(60)


def _statistics(images):
    encoded = {name: cv2.imencode(".png", image)[1].tobytes() for name, image in images.items()}
    grey = {
        name: cv2.cvtColor(image, cv2.COLOR_BGR2GRAY) if image.ndim == 3 else image for name, image in images.items()
    }
    histograms = [unlike.histogram(image) for image in grey.values()]
    return pd.DataFrame(
        {
            "file": list(images),
            "colour": [unlike.colour(content) for content in encoded.values()],
            "black": [shares[1] for shares in histograms],
            "distance": unlike.distances(histograms),
        }
    )


ULTRASOUND = {f"{number}.png": _ultrasound(number) for number in range(20)}


def test_ultrasound_images_are_like_each_other():
    assert unlike.found(_statistics(ULTRASOUND)) == {}


def test_grey_images_stored_in_colour_are_not_coloured():
    stored = {name: cv2.cvtColor(image, cv2.COLOR_GRAY2BGR) for name, image in ULTRASOUND.items()}
    assert unlike.found(_statistics(stored)) == {}


@pytest.mark.parametrize("seed", range(5))
def test_a_coloured_photograph_is_found_by_its_colour(seed):
    found = unlike.found(_statistics(ULTRASOUND | {"photo.png": _photograph(seed)}))
    assert list(found) == ["photo.png"]
    assert found["photo.png"].startswith("colour: ")


@pytest.mark.parametrize("seed", range(5))
def test_a_grey_photograph_is_found_by_its_grey_levels_or_its_lack_of_black(seed):
    photograph = cv2.cvtColor(_photograph(seed), cv2.COLOR_BGR2GRAY)
    found = unlike.found(_statistics(ULTRASOUND | {"photo.png": photograph}))
    assert list(found) == ["photo.png"]
    assert found["photo.png"].startswith(("grey levels: ", "no black surround: "))


def test_some_colour_as_a_logo_has_is_no_photograph():
    image = cv2.cvtColor(_ultrasound(1), cv2.COLOR_GRAY2BGR)
    image[:20, :40] = (255, 0, 0)
    assert unlike.found(_statistics(ULTRASOUND | {"logo.png": image})) == {}


@given(st.integers(1, 60), st.integers(1, 60), st.integers(0, 1000))
def test_a_histogram_rises_to_one_and_a_set_of_equal_images_has_no_distance(height, width, seed):
    image = np.random.default_rng(seed).integers(0, 256, (height, width), dtype=np.uint8)
    shares = unlike.histogram(image)
    assert shares == sorted(shares)
    assert shares[-1] == 1
    assert unlike.distances([shares] * 3).tolist() == [0, 0, 0]


def test_a_file_that_is_no_image_has_no_colour():
    assert unlike.colour(b"text") == 0
    assert len(unlike.distances([])) == 0
