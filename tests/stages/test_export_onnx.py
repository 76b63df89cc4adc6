"""The file says what the model says, names itself in its hash file, and is not written where it differs."""

import hashlib

import numpy as np
import pandas as pd
import pytest

from sonotrace.errors import SonotraceError
from sonotrace.images.grey import write_png
from sonotrace.kinds.planes import PLANES
from sonotrace.models import classifier
from sonotrace.models.cnn import net
from sonotrace.models.files import write_keras
from sonotrace.models.judgement import Judgement
from sonotrace.portable.reading import PortableClassifier
from sonotrace.running.outputs import write_csv
from sonotrace.stages.export_onnx import run

PREPARE = {"width": 48, "height": 32, "aspect": "stretch", "mask_overlays": False}


@pytest.fixture
def model(work, monkeypatch):
    """Lay out a model and images for the stage; return the model's bytes."""
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    images = [f"i{at}" for at in range(20)]
    write_csv(pd.DataFrame({"image": images}), work / "data/planes/split/split.csv")
    (work / "data/planes/prepare/images").mkdir(parents=True)
    random = np.random.default_rng(1)
    for image in images:
        write_png(random.integers(0, 256, (32, 48), np.uint8), work / f"data/planes/prepare/images/{image}.png")
    path = work / "models/planes.keras"
    entry = {"planes": PLANES, "prepare": PREPARE, "judgement": Judgement(0.5).entry()}
    write_keras(net("residual", 48, 32, len(PLANES)), entry, path)
    return path.read_bytes()


def test_the_file_states_what_it_is(work, model):
    run("planes", model)
    content = (work / "models/planes.onnx").read_bytes()
    made = PortableClassifier(content, work / "models/planes.onnx")
    assert (made.planes, made.certain, made.preparation.width) == (PLANES, 0.8, 48)
    entry = made._net.entry
    assert entry["model"] == {"name": "planes.keras", "sha256": hashlib.sha256(model).hexdigest()}
    assert entry["temperature"] == 0.5
    listed = (work / "reports/planes/onnx.sha256").read_text()
    assert listed == f"{hashlib.sha256(content).hexdigest()}  planes.onnx\n"


def test_a_file_that_would_say_something_else_is_not_written(work, model, monkeypatch):
    answers = classifier.PlaneNet.answers
    monkeypatch.setattr(classifier.PlaneNet, "answers", lambda self, images: answers(self, images[::-1]))
    with pytest.raises(SonotraceError, match=r"^models/planes\.keras: its ONNX form differs in probabilities"):
        run("planes", model)
    assert not (work / "models/planes.onnx").exists()
