"""A killed training of Ultralytics goes on, and ends in the bytes of one that nobody disturbed."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import folded
import folded_boxes
import pytest
import torch
import yaml

from sonotrace import cli
from sonotrace.models.yolo_checkpoint import YoloCheckpoint, key_of

TRAINING = {"epochs": 4, "rect": False, "mosaic": 0.5, "close_mosaic": 2}
LEFT = (".sonotrace", "logs")


def _killed_after(top, epoch):
    """Train there, and kill the process once it has said that this epoch is over."""
    with subprocess.Popen(
        [sys.executable, "-m", "sonotrace", "train_yolo", "structures"],
        cwd=top,
        env=os.environ | {"PYTHONPATH": str(Path(cli.__file__).parents[2])},
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        printed = ""
        for line in process.stdout:
            printed += line
            if f"epoch {epoch}/4" in line:
                process.kill()
    return printed


def _files(top):
    return {
        path.relative_to(top): path.read_bytes()
        for path in sorted(top.rglob("*"))
        if path.is_file() and path.relative_to(top).parts[0] not in LEFT
    }


def test_a_training_killed_three_times_ends_in_the_same_model_scores_and_curves(tmp_path):
    undisturbed = tmp_path / "undisturbed"
    folded_boxes.make(undisturbed)
    params = yaml.safe_load((undisturbed / "params.yaml").read_text())
    params["train_yolo"]["structures"] |= TRAINING
    (undisturbed / "params.yaml").write_text(yaml.safe_dump(params, sort_keys=False))
    killed = shutil.copytree(undisturbed, tmp_path / "killed")
    folded.run(undisturbed, "train_yolo", "structures")
    _killed_after(killed, 1)
    # Mosaic is closed after the second epoch: the first stop is before that, the second after it.
    assert "goes on after epoch 1 of 4\ntrain_yolo: epoch 2/4" in _killed_after(killed, 3)
    assert list((killed / ".sonotrace/trainings").iterdir())
    assert re.findall(r"epoch (\d)/", _killed_after(killed, 4)) == ["4"]
    printed = folded.run(killed, "train_yolo", "structures")
    assert re.findall(r"epoch (\d)/", printed) == ["4"]
    assert _files(killed) == _files(undisturbed)
    assert not list((killed / ".sonotrace/trainings").iterdir())


@pytest.fixture
def kept(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    found = YoloCheckpoint("structures train_yolo", "key")
    found.write({"epochs": 2, "model": {"a": torch.arange(3)}})
    return found


def test_what_was_written_is_read_again(kept):
    state = kept.read()
    assert state["epochs"] == 2
    assert state["model"]["a"].tolist() == [0, 1, 2]


@pytest.mark.usefixtures("kept")
def test_the_state_of_another_training_is_not_used():
    assert YoloCheckpoint("structures train_yolo", "other").read() is None
    assert YoloCheckpoint("others train_yolo", "key").read() is None


@pytest.mark.parametrize("content", [b"", b"no file of torch's"])
def test_a_file_cut_short_begins_anew(kept, content):
    kept.path.write_bytes(content or kept.path.read_bytes()[:200])
    assert kept.read() is None


class _Runs:
    def __reduce__(self):
        return (os.mkdir, ("run",))


def test_a_file_that_would_run_code_is_not_used_and_runs_none(kept, tmp_path):
    torch.save({"key": "key", "epochs": _Runs()}, kept.path)
    assert kept.read() is None
    assert not (tmp_path / "run").exists()


def test_a_state_that_cannot_be_written_is_told_and_stops_nothing(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    Path(".sonotrace").write_text("in the way")
    YoloCheckpoint("structures train_yolo", "key").write({"epochs": 1})
    assert "if this training is stopped, it starts from its first epoch" in capsys.readouterr().out


@pytest.mark.parametrize("changed", ["image", "copy", "label", "net.yaml", None])
def test_a_checkpoint_counts_only_for_the_same_images_copies_labels_and_net(tmp_path, changed):
    work, net = tmp_path / "work", tmp_path / "net.yaml"
    for part in ("images", "labels"):
        for side in ("train", "val"):
            (work / side / part).mkdir(parents=True)
    files = {
        "image": work / "train/images/0000000_000.png",
        "copy": work / "train/images/0000000_001.png",
        "label": work / "train/labels/0000000_000.txt",
        "net.yaml": net,
    }
    for name, file in files.items():
        file.write_text(name)
    before = key_of(work, net, "conditions")
    if changed:
        files[changed].write_text("something else")
    assert (key_of(work, net, "conditions") == before) == (changed is None)
    assert key_of(work, net, "others") != before
