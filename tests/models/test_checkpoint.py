"""A training that was killed goes on after its last whole epoch, and ends in the bytes of an undisturbed one."""

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import folded as folded_run
import numpy as np
import pytest

from sonotrace import cli
from sonotrace.images.packs import Part
from sonotrace.models.checkpoint import Best, Checkpoint, Progress, key_of
from sonotrace.models.examples import Example

MADE = ("models/planes.keras", "metrics/planes_validation.json", "plots/train_cnn/planes")


def _bytes(top):
    paths = [path for name in MADE for path in sorted([top / name, *(top / name).rglob("*")]) if path.is_file()]
    return {path.relative_to(top).as_posix(): path.read_bytes() for path in paths}


def _kill_after(top, epoch):
    """Start the training, and kill it once it has said that this epoch is done."""
    arguments = [sys.executable, "-m", "sonotrace", "train_cnn", "planes"]
    env = os.environ | {"PYTHONPATH": str(Path(cli.__file__).parents[2])}
    with subprocess.Popen(arguments, cwd=top, env=env, stdout=subprocess.PIPE, text=True) as process:
        for line in process.stdout:
            if f"epoch {epoch}/" in line:
                break
        process.send_signal(signal.SIGKILL)
    return process.returncode


def test_a_killed_training_goes_on_and_ends_in_the_same_bytes(tmp_path):
    folded_run.make(tmp_path / "whole")
    shutil.copytree(tmp_path / "whole", tmp_path / "killed")
    said = folded_run.run(tmp_path / "whole", "train_cnn", "planes")
    assert "goes on" not in said
    for epoch in (2, 4):
        assert _kill_after(tmp_path / "killed", epoch) == -signal.SIGKILL
    shutil.rmtree(tmp_path / "killed/plots", ignore_errors=True)  # as both engines do before they run a stage again
    said = folded_run.run(tmp_path / "killed", "train_cnn", "planes")
    assert "goes on after epoch 4 of 6" in said
    assert "epoch 4/6" not in said
    assert _bytes(tmp_path / "killed") == _bytes(tmp_path / "whole")
    assert not list((tmp_path / "killed/.sonotrace/trainings").iterdir())


@pytest.fixture
def checkpoint(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return Checkpoint("planes train_cnn", "key")


def test_what_was_kept_comes_back_and_only_for_the_same_training(checkpoint):
    assert checkpoint.read() == Progress()
    weights = [np.arange(4, dtype=np.float32)]
    checkpoint.write(Progress([{"loss": 0.1}], [np.float32(1.5), np.int64(3)], Best(0.2, 0.9, 0, weights)))
    found = checkpoint.read()
    assert found.history == [{"loss": 0.1}]
    assert [value.item() for value in found.state] == [1.5, 3]
    assert (found.best.loss, found.best.accuracy, found.best.epoch) == (0.2, 0.9, 0)
    assert (found.best.weights[0] == weights[0]).all()
    assert Checkpoint("planes train_cnn", "another key").read() == Progress()
    checkpoint.clear()
    assert checkpoint.read() == Progress()


@pytest.mark.parametrize("damage", [lambda content: content[: len(content) // 2], lambda _: b"", lambda _: b"else"])
def test_a_damaged_file_counts_for_nothing(checkpoint, damage):
    checkpoint.write(Progress([{"loss": 0.1}], [np.zeros(1000)]))
    checkpoint.path.write_bytes(damage(checkpoint.path.read_bytes()))
    assert checkpoint.read() == Progress()


def test_a_training_goes_on_where_nothing_can_be_kept(checkpoint, capsys):
    Path(".sonotrace").write_text("in the way")
    checkpoint.write(Progress([{"loss": 0.1}]))
    assert "if this training is stopped, it starts from its first epoch" in capsys.readouterr().out


def test_the_key_tells_images_labels_targets_and_conditions_apart(tmp_path):
    paths = [tmp_path / "a.png", tmp_path / "b.png"]
    for path in paths:
        path.write_bytes(path.name.encode())
    one = [Example([Part(paths[0])], "brain")]
    others = [
        [Example([Part(paths[1])], "brain")],
        [Example([Part(paths[0])], "femur")],
        [Example([Part(paths[0])], "brain", (0.5, 0.5))],
        [Example([Part(paths[0]), Part(paths[0])], "brain")],
        [*one, *one],
    ]
    keys = [key_of([], [examples, []], 1) for examples in (one, *others)] + [key_of([], [one, []], 2)]
    assert len(set(keys)) == len(keys)
    assert key_of([], [one, []], 1) == keys[0]
    assert key_of([], [[], one], 1) != keys[0]
