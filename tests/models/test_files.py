"""A model is loaded from the bytes that were checked; the file may be gone or another by then."""

import stat
from pathlib import Path

import pytest

from sonotrace.errors import SonotraceError
from sonotrace.models.files import private_copy, read_keras, read_yolo_entry, write_keras, write_yolo

GONE = Path("gone.keras")


def test_a_keras_model_is_loaded_from_bytes_alone(tmp_path):
    keras = pytest.importorskip("keras")
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(2)])
    path = tmp_path / "planes.keras"
    write_keras(model, {"planes": ["brain", "femur"]}, path)
    content = path.read_bytes()
    path.unlink()
    loaded, entry = read_keras(content, path)
    assert entry == {"planes": ["brain", "femur"]}
    assert [weights.tolist() for weights in loaded.get_weights()] == [one.tolist() for one in model.get_weights()]


def test_other_bytes_are_refused_by_the_name_of_their_file():
    with pytest.raises(SonotraceError, match=r"^gone\.keras: not a model of train_cnn"):
        read_keras(b"something else", GONE)
    for content in (b"", b"something else", b"\x80\x02N."):
        with pytest.raises(SonotraceError, match=r"^gone\.keras: not a model of train_yolo"):
            read_yolo_entry(content, GONE)


def test_a_detector_is_loaded_from_bytes_alone(tmp_path):
    import torch

    from sonotrace.images.preparation import Preparation
    from sonotrace.models.detector import StructureDetector
    from sonotrace.running.environment import quiet_ultralytics

    net = quiet_ultralytics()("yolov8n.yaml", task="detect").model
    net.args = {"imgsz": 64}
    torch.save({"model": net, "train_args": {"imgsz": 64, "task": "detect"}}, tmp_path / "trained.pt")
    path = tmp_path / "structures.pt"
    preparation = {"width": 64, "height": 64, "aspect": "stretch", "mask_overlays": False}
    write_yolo(tmp_path / "trained.pt", {"prepare": preparation, "imgsz": 64}, path)
    content = path.read_bytes()
    path.write_bytes(b"something evil")
    detector = StructureDetector(content, path)
    assert detector.preparation == Preparation.from_mapping(preparation)


def test_a_private_copy_is_for_this_user_only_and_does_not_stay():
    with private_copy(b"content", Path("models/planes.keras")) as copy:
        assert (copy.name, copy.read_bytes()) == ("planes.keras", b"content")
        assert stat.S_IMODE(copy.parent.stat().st_mode) == 0o700
    assert not copy.parent.exists()
