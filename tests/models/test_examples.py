"""What the classifier sees in which epoch, and under which index."""

import os
import resource
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from packed import packed

from sonotrace.errors import SonotraceError
from sonotrace.images.packs import Part
from sonotrace.kinds.planes import PLANES
from sonotrace.models.examples import class_weights, decoded, examples, one_hot, schedule, stack
from sonotrace.places import STATE


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


def test_orders_stay_what_they_were_so_that_models_keep_their_bytes():
    assert [schedule(step, 5, 3, 2, seed=1)[0].tolist() for step in range(6)] == [
        [4, 0],
        [1, 2],
        [2, 4],
        [0, 1],
        [1, 3],
        [0, 2],
    ]
    assert [schedule(step, 5, 3, 2, seed=1)[1].tolist() for step in range(6)] == [
        [2, 0],
        [2, 0],
        [1, 0],
        [2, 0],
        [1, 0],
        [1, 2],
    ]


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


def _views(top, pictures):
    """Write pictures, shape (n, views, height, width), as prepared images with their copies."""
    found = []
    for number, (first, *copies) in enumerate(pictures):
        image = packed(top / f"{number}/prepared", {"a": first})["a"]
        parts = packed(top / f"{number}/augmented", {f"a/{copy}": picture for copy, picture in enumerate(copies, 1)})
        found += [image, *(parts[f"a/{copy}"] for copy in range(1, len(copies) + 1))]
    return found


def _pictures(*shape):
    return np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)


def test_images_are_stacked_as_they_are(tmp_path):
    pictures = _pictures(1, 3, 4, 6)
    stacked = stack(_views(tmp_path, pictures))
    assert stacked.dtype == np.float32
    assert (stacked == pictures[0][..., None]).all()


def test_views_are_decoded_in_their_order(work):
    pictures = _pictures(40, 3, 8, 12)
    assert (decoded(_views(work, pictures)) == pictures.reshape(120, 8, 12)).all()


def _mapped(what):
    return [line for line in Path("/proc/self/maps").read_text().splitlines() if str(what) in line]


def test_decoded_images_are_in_a_file_that_has_no_name_and_goes_with_them(work):
    views = _views(work, _pictures(4, 2, 64, 64))
    first, second = decoded(views), decoded(views[:5])
    assert len(_mapped(work / STATE)) == 2
    assert all(line.endswith("(deleted)") for line in _mapped(work / STATE))
    assert list((work / STATE).iterdir()) == []
    assert (first[:5] == second).all()
    del first, second
    assert _mapped(work / STATE) == []


def test_an_image_of_another_size_is_named(work):
    views = _views(work, _pictures(2, 2, 8, 12)) + _views(work / "data", _pictures(1, 2, 8, 13))
    expected = r"^\S+data/0/augmented/0\.zip, a/1\.png is 13 x 8 px, \S+/0\.zip, a\.png is 12 x 8; remove the file and "
    with pytest.raises(SonotraceError, match=expected):
        decoded([*views[:4], views[5]])
    assert _mapped(work / STATE) == []


def test_a_full_disk_is_said_before_anything_is_decoded(work):
    views = [*_views(work, _pictures(1, 2, 64, 64)), *[Part(work / "missing.png")] * 100]
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, limits[1]))
    try:
        with pytest.raises(SonotraceError, match=r"^\.sonotrace: no room for 0\.0 GB .*File too large"):
            decoded(views)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)


TRAINING = """
import keras
import numpy as np

from packed import packed
from sonotrace.models.cnn import compiled, net
from sonotrace.models.examples import Example, schedule, stack, targets, training_batches, validation_batches
from pathlib import Path

names = ("a", "b", "c")
random = np.random.default_rng(0)
train = []
for number in range(11):
    picture = random.integers(0, 256, (32, 32), dtype=np.uint8)
    views = packed(Path(str(number)), {"a": picture, "a/1": picture // 2, "a/2": picture // 3})
    train.append(Example([views["a"], views["a/1"], views["a/2"]][: 1 + number % 3], names[number % 3]))


class Floats(keras.utils.PyDataset):
    num_batches = None

    def __getitem__(self, step):
        chosen, turns = schedule(step, len(train), 3, 4, 7)
        rows = [train[index] for index in chosen]
        shown = [row.views[turn % len(row.views)] for row, turn in zip(rows, turns, strict=True)]
        return stack(shown), targets(rows, names)


class FloatsOfValidation(Floats):
    num_batches = 3

    def __getitem__(self, step):
        rows = train[4 * step : 4 * step + 4]
        return stack([row.views[0] for row in rows]), targets(rows, names)


def end(architecture, batches, validation):
    keras.backend.clear_session()
    keras.utils.set_random_seed(1)
    model = compiled(net(architecture, 32, 32, 3), 0.01, 8)
    first = [weight.copy() for weight in model.get_weights()]
    done = model.fit(
        batches, validation_data=validation, steps_per_epoch=2, epochs=4, shuffle=False, verbose=0,
        class_weight={0: 0.5, 1: 1.0, 2: 1.5},
    )
    assert any((before != after).any() for before, after in zip(first, model.get_weights(), strict=True))
    return b"".join(weight.tobytes() for weight in model.get_weights()), done.history


own = training_batches(train, names, 4, 7)
assert own[0][0].dtype == np.uint8
architecture = "published" if keras.backend.backend() == "tensorflow" else "residual"  # Keras casts in two places
weights, history = end(architecture, own, validation_batches(train, names, 4))
as_floats, history_as_floats = end(architecture, Floats(), FloatsOfValidation())
assert weights == as_floats
assert history == history_as_floats
"""


@pytest.mark.parametrize("backend", ["tensorflow", "torch"])
def test_a_net_learns_the_same_bytes_as_from_floats_read_batch_by_batch(tmp_path, monkeypatch, backend):
    monkeypatch.setenv("KERAS_BACKEND", backend)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(sys.path))
    subprocess.run([sys.executable, "-c", TRAINING], cwd=tmp_path, check=True)


def _seen(found):
    return [([f"{view.file.parts[-3]} {view.name}" for view in views], label) for views, label, _ in found]


def test_training_images_come_with_their_copies_original_first(work):
    table = pd.DataFrame(
        {"image": ["a", "b", "c"], "label": ["brain", "femur", "thorax"], "side": ["train", "val", "train"]}
    )
    copies = pd.DataFrame({"copy": ["a/1", "a/2", "c/1"], "image": ["a", "a", "c"]})
    picture = _pictures(4, 6)
    packed(work / "data/planes/prepare/images", dict.fromkeys("abc", picture))
    packed(work / "data/planes/augment/images", dict.fromkeys(copies["copy"], picture))
    train, val = examples("planes", table[table["side"] == "train"], copies), examples("planes", table[1:2])
    assert _seen(train) == [
        (["prepare a.png", "augment a/1.png", "augment a/2.png"], "brain"),
        (["prepare c.png", "augment c/1.png"], "thorax"),
    ]
    assert _seen(val) == [(["prepare b.png"], "femur")]
    bare = examples("planes", table, copies[:0])
    assert _seen(bare)[2] == (["prepare c.png"], "thorax")
