"""Copies of a picture are found however they were saved; other pictures are not."""

import cv2
import numpy as np
import pandas as pd
import pytest

from sonotrace.audit import duplicates
from sonotrace.audit.duplicates import differing_pairs, fingerprints
from sonotrace.images.grey import write_png
from sonotrace.images.packs import Part


def _picture(seed):
    """Return a soft random picture, 256 x 256, with as much detail as an ultrasound image."""
    random = np.random.default_rng(seed)
    coarse = cv2.resize(random.normal(size=(9, 9)), (256, 256), interpolation=cv2.INTER_CUBIC)
    fine = cv2.GaussianBlur(random.normal(size=(256, 256)), (0, 0), 4) * 4
    return cv2.normalize(coarse + fine, None, 20, 210, cv2.NORM_MINMAX).astype(np.uint8)


def _reencoded(picture):
    return cv2.imdecode(cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, 50])[1], 0)


CHANGES = {
    "copy": np.copy,
    "re-encoded": _reencoded,
    "brighter": lambda picture: cv2.add(picture, 30),
    "more contrast": lambda picture: cv2.convertScaleAbs(picture, alpha=1.2),
    "text": lambda picture: cv2.putText(picture.copy(), "BPD 4.5 cm", (5, 20), 0, 0.5, 255, 1),
    "crop": lambda picture: cv2.resize(picture[3:-3, 3:-3], (256, 256)),
    "smaller": lambda picture: cv2.resize(picture, (128, 128), interpolation=cv2.INTER_AREA),
}


@pytest.fixture
def prints_of(tmp_path):
    def write(pictures):
        files = [tmp_path / f"{number}.png" for number in range(len(pictures))]
        for picture, file in zip(pictures, files, strict=True):
            write_png(picture, file)
        return fingerprints(map(Part, files))

    return write


def _table(count, **columns):
    rows = {
        "image": [f"{number:04}" for number in range(count)],
        "label": ["brain"] * count,
        "side": ["train"] * count,
        "patient": [str(number) for number in range(count)],
    }
    return pd.DataFrame(rows | columns)


@pytest.mark.parametrize("change", CHANGES)
def test_a_changed_copy_of_another_patient_is_found_among_other_pictures(prints_of, change):
    pictures = [_picture(seed) for seed in range(40)]
    pairs = differing_pairs("planes", _table(41), prints_of([*pictures, CHANGES[change](pictures[17])]))
    assert list(zip(pairs["image_a"], pairs["image_b"], strict=True)) == [("0017", "0040")]
    assert pairs["differs"][0] == "patient"


def test_different_pictures_are_no_pairs(prints_of):
    assert differing_pairs("planes", _table(150), prints_of([_picture(seed) for seed in range(150)])).empty


def test_only_pairs_that_differ_are_listed_with_what_differs(prints_of):
    picture = _picture(1)
    table = _table(
        4,
        label=["brain", "femur", "brain", "brain"],
        side=["train", "train", "train", "test"],
        patient=["1", "1", "1", "2"],
    )
    pairs = differing_pairs("planes", table, prints_of([picture] * 4))
    found = {(row.image_a, row.image_b): row.differs for row in pairs.itertuples()}
    assert found == {
        ("0000", "0001"): "label",
        ("0001", "0002"): "label",
        ("0000", "0003"): "side patient",
        ("0001", "0003"): "side label patient",
        ("0002", "0003"): "side patient",
    }
    assert list(pairs["differs"]) == ["side label patient", "side patient", "side patient", "label", "label"]


def test_nearest_pairs_come_first(prints_of):
    first, second = _picture(1), _picture(2)
    pairs = differing_pairs("planes", _table(4), prints_of([first, CHANGES["crop"](first), second, second]))
    assert list(pairs["image_a"]) == ["0002", "0000"]
    assert list(pairs["distance"]) == sorted(pairs["distance"])


def test_blocks_of_rows_give_the_pairs_that_a_plain_comparison_gives(monkeypatch):
    random = np.random.default_rng(0)
    bits = random.integers(0, 2, (60, 256))
    bits[30:] = bits[:30] ^ (random.random((30, 256)) < 0.2)
    prints = np.packbits(bits, axis=1).view(np.uint64)
    monkeypatch.setattr(duplicates, "BLOCK", 7)
    pairs = differing_pairs("planes", _table(60), prints)
    plain = {
        (f"{a:04}", f"{b:04}"): distance
        for a in range(60)
        for b in range(a + 1, 60)
        if (distance := int((bits[a] != bits[b]).sum())) <= duplicates.MOST
    }
    assert len(plain) > 10
    assert {(row.image_a, row.image_b): row.distance for row in pairs.itertuples()} == plain


def test_no_images_make_no_pairs():
    assert differing_pairs("planes", _table(0), fingerprints([])).empty
