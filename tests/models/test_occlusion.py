"""A map is high where covering the image makes the classifier less sure, and its sample is fixed."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from packed import packed

from sonotrace.models.judgement import Answers
from sonotrace.models.occlusion import CELLS, SAMPLE, maps, occlusion_map, sample

SIDE = 64


class LooksAt:
    """A classifier that is the surer of a femur, the more texture one cell of the image has, and sees nothing else."""

    planes = ("brain", "femur")

    def __init__(self, row, column):
        side = SIDE // CELLS
        self.part = slice(row * side, (row + 1) * side), slice(column * side, (column + 1) * side)

    def answers(self, images):
        femur = np.array([0.5 + min(float(image[self.part].std()), 100) / 250 for image in images])
        return Answers(np.column_stack([1 - femur, femur]), np.full(len(images), np.nan))


def _textured(seed=0):
    return np.random.default_rng(seed).integers(0, 256, (SIDE, SIDE), dtype=np.uint8)


cells = st.integers(0, CELLS - 1)


@given(row=cells, column=cells, seed=st.integers(0, 100))
def test_the_map_is_highest_where_the_classifier_looks(row, column, seed):
    found = occlusion_map(LooksAt(row, column), _textured(seed), "femur")
    assert found.drops[row, column] == found.drops.max() > 0
    away = np.abs(np.arange(CELLS) - row)[:, None] >= 2
    assert not found.drops[np.broadcast_to(away, found.drops.shape)].any()
    assert (found.label, found.answer) == ("femur", "femur")


@pytest.mark.parametrize("corner", [(0, 0), (0, CELLS - 1), (CELLS - 1, 0), (CELLS - 1, CELLS - 1)])
def test_a_classifier_that_looks_at_one_corner_has_its_maximum_there(corner):
    drops = occlusion_map(LooksAt(*corner), _textured(), "femur").drops
    assert np.unravel_index(drops.argmax(), drops.shape) == corner


@given(level=st.integers(0, 255), row=cells, column=cells)
def test_covering_what_has_no_texture_changes_nothing(level, row, column):
    found = occlusion_map(LooksAt(row, column), np.full((SIDE, SIDE), level, np.uint8), "brain")
    assert not found.drops.any()


def _test_side(counts):
    rows = [(f"{label}{at}", label) for label, count in counts.items() for at in range(count)]
    return pd.DataFrame(rows, columns=["image", "label"])


@given(st.integers(0, 100))
def test_the_sample_does_not_depend_on_the_order_of_the_rows(seed):
    table = _test_side({"brain": 9, "femur": 1, "thorax": 12})
    shuffled = table.sample(frac=1, random_state=seed)
    assert list(sample(table)["image"]) == list(sample(shuffled)["image"])


@pytest.mark.parametrize(
    ("counts", "chosen"),
    [
        ({"abdomen": 9, "brain": 9, "femur": 1, "thorax": 9}, [2, 2, 1, 2]),
        ({"brain": 20}, [8]),
        ({f"class {at}": 2 for at in range(12)}, [1] * SAMPLE),
    ],
)
def test_the_sample_has_as_many_images_of_each_class(counts, chosen):
    assert sample(_test_side(counts)).groupby("label").size().tolist() == chosen


def test_maps_are_those_of_the_sampled_images(tmp_path):
    table = _test_side({"brain": 1, "femur": 1})
    prepared = packed(tmp_path, {name: _textured(seed) for seed, name in enumerate(table["image"])})
    found = maps(LooksAt(3, 4), table, prepared)
    assert [one.label for one in found] == ["brain", "femur"]
    assert (found[1].image == _textured(1)).all()
