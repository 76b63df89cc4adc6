"""Shards share the patients out among them."""

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sonotrace.images.shards import of_shard, packs_of

patients = st.sampled_from(["", *(f"{number:03}" for number in range(30))])


@given(st.lists(patients, max_size=60), st.integers(1, 12))
def test_every_image_is_in_one_shard_and_with_all_others_of_its_patient(of_images, count):
    images = pd.DataFrame({"image": [f"image {at}" for at in range(len(of_images))], "patient": of_images}, dtype=str)
    shards = [of_shard(images, shard, count) for shard in range(1, count + 1)]
    together = pd.concat(shards)
    assert sorted(together["image"]) == sorted(images["image"])
    pd.testing.assert_frame_equal(together.sort_index()[["image", "patient"]], images)
    held = [set(shard["patient"]) - {""} for shard in shards]
    assert sum(map(len, held)) == len(set().union(*held))


@given(st.lists(patients, min_size=1, max_size=60), st.integers(1, 12))
def test_an_image_stays_in_its_shard_whatever_else_there_is(of_images, count):
    images = pd.DataFrame({"image": [f"image {at}" for at in range(len(of_images))], "patient": of_images}, dtype=str)
    for shard in range(1, count + 1):
        whole = of_shard(images, shard, count)
        alone = of_shard(images[:1], shard, count)
        assert set(alone["image"]) == set(whole["image"]) & {"image 0"}


@pytest.mark.parametrize("count", [2, 7])
def test_shards_are_of_about_the_same_size(count):
    numbers = [f"{number:05}" for number in range(7000)]
    images = pd.DataFrame({"image": numbers, "patient": numbers})
    sizes = [len(of_shard(images, shard, count)) for shard in range(1, count + 1)]
    assert max(sizes) - min(sizes) < 0.1 * 7000 / count * 2


def test_the_list_of_packs_counts_images():
    images = pd.DataFrame({"image": ["a", "b", "c"], "patient": ["1", "2", "1"]})
    listed = packs_of(of_shard(images, 1, 1))
    assert sorted(listed["images"]) == [1, 2]
    assert list(listed["pack"]) == sorted(listed["pack"])
    assert packs_of(of_shard(images[:0], 1, 1)).empty
