"""What the classifier sees in which epoch, and under which index."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sonotrace.images.grey import encode_pages, write_png
from sonotrace.kinds.planes import PLANES
from sonotrace.models.examples import View, class_weights, examples, one_hot, schedule, stack


@st.composite
def trainings(draw):
    images = draw(st.integers(1, 30))
    return {
        "images": images,
        "view_count": draw(st.integers(1, 5)),
        "batch": draw(st.integers(1, images)),
        "seed": draw(st.integers(0, 2**32 - 1)),
    }


def _epoch(number, training):
    steps = training["images"] // training["batch"]
    batches = [schedule(number * steps + step, **training) for step in range(steps)]
    return np.concatenate([chosen for chosen, _ in batches]), np.concatenate([turns for _, turns in batches])


@given(trainings(), st.integers(0, 10_000))
def test_a_batch_depends_on_its_number_alone(training, step):
    schedule(step + 1, **training)
    chosen, turns = schedule(step, **training)
    again, same_turns = schedule(step, **training)
    assert (chosen == again).all()
    assert (turns == same_turns).all()
    assert len(chosen) == len(turns) == training["batch"]


@given(trainings(), st.integers(0, 20))
def test_an_epoch_visits_each_image_at_most_once_and_all_but_the_remainder(training, number):
    chosen, turns = _epoch(number, training)
    assert len(set(chosen.tolist())) == len(chosen) == training["images"] // training["batch"] * training["batch"]
    assert ((chosen >= 0) & (chosen < training["images"])).all()
    assert ((turns >= 0) & (turns < training["view_count"])).all()


@given(trainings(), st.integers(0, 4))
def test_the_views_of_an_image_take_turns_before_one_comes_again(training, cycle):
    training["batch"] = 1
    seen = np.zeros((training["images"], training["view_count"]), int)
    for number in range(training["view_count"]):
        np.add.at(seen, _epoch(cycle * training["view_count"] + number, training), 1)
    assert (seen == 1).all()


def test_epochs_cycles_images_and_seeds_have_orders_of_their_own():
    training = {"images": 40, "view_count": 4, "batch": 8, "seed": 1}
    orders = {tuple(_epoch(number, training)[0]) for number in range(8)}
    assert len(orders) == 8
    assert tuple(_epoch(0, training | {"seed": 2})[0]) not in orders
    turns = [dict(zip(*map(np.ndarray.tolist, _epoch(number, training)), strict=True)) for number in range(8)]
    sequences = [[turn[image] for turn in turns] for image in range(40)]
    assert len({tuple(sequence[:4]) for sequence in sequences}) > 10
    assert any(sequence[:4] != sequence[4:] for sequence in sequences)


@given(st.lists(st.sampled_from(PLANES), min_size=1, max_size=60))
def test_class_weights_average_one_and_balance_the_planes(labels):
    weights = class_weights(labels, PLANES)
    assert set(weights) == set(range(len(PLANES)))
    assert np.mean([weights[PLANES.index(label)] for label in labels]) == pytest.approx(1)
    shares = [weights[index] * labels.count(plane) for index, plane in enumerate(PLANES) if plane in labels]
    assert shares == pytest.approx([shares[0]] * len(shares))
    assert all(weights[index] == 0 for index, plane in enumerate(PLANES) if plane not in labels)


@given(st.lists(st.sampled_from(PLANES), min_size=1, max_size=10))
def test_the_column_of_a_label_is_the_place_of_its_plane(labels):
    rows = one_hot(labels, PLANES)
    assert rows.shape == (len(labels), len(PLANES))
    assert [PLANES[index] for index in rows.argmax(axis=1)] == labels
    assert (rows.sum(axis=1) == 1).all()


def test_a_label_that_is_no_plane_has_no_column():
    with pytest.raises(ValueError, match="not in tuple"):
        one_hot(["Fetal brain"], PLANES)


def test_images_are_stacked_as_they_are(tmp_path):
    pictures = np.random.default_rng(0).integers(0, 256, (3, 4, 6), dtype=np.uint8)
    write_png(pictures[0], tmp_path / "a.png")
    (tmp_path / "a.tif").write_bytes(encode_pages(list(pictures[1:])))
    stacked = stack([View(tmp_path / "a.png"), View(tmp_path / "a.tif", 1), View(tmp_path / "a.tif", 2)])
    assert stacked.dtype == np.float32
    assert (stacked == pictures[..., None]).all()


def _seen(found):
    return [([(view.file.as_posix(), view.page) for view in views], label) for views, label, _ in found]


def test_training_images_come_with_their_copies_original_first():
    table = pd.DataFrame(
        {"image": ["a", "b", "c"], "label": ["brain", "femur", "thorax"], "side": ["train", "val", "train"]}
    )
    copies = pd.DataFrame({"copy": ["a/1", "a/2", "c/1"], "image": ["a", "a", "c"]})
    prepared, augmented = "data/planes/prepare/images", "data/planes/augment/images"
    train, val = examples("planes", table[table["side"] == "train"], copies), examples("planes", table[1:2])
    assert _seen(train) == [
        ([(f"{prepared}/a.png", 0), (f"{augmented}/a.tif", 1), (f"{augmented}/a.tif", 2)], "brain"),
        ([(f"{prepared}/c.png", 0), (f"{augmented}/c.tif", 1)], "thorax"),
    ]
    assert _seen(val) == [([(f"{prepared}/b.png", 0)], "femur")]
    bare = examples("planes", table, copies[:0])
    assert _seen(bare)[2] == ([(f"{prepared}/c.png", 0)], "thorax")
