"""The file says what the model says, names itself in its hash file, and is not written where it differs."""

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from sonotrace import stages
from sonotrace.images.grey import write_png
from sonotrace.kinds.planes import PLANES
from sonotrace.portable.reading import PortableClassifier
from sonotrace.running.outputs import write_csv

MODEL = """
import sys
from pathlib import Path
from sonotrace.kinds.planes import PLANES
from sonotrace.models.cnn import net
from sonotrace.models.files import write_keras
from sonotrace.models.judgement import Judgement
prepare = {"width": 48, "height": 32, "aspect": "stretch", "mask_overlays": False}
entry = {"planes": PLANES, "prepare": prepare, "judgement": Judgement(0.5).entry()}
write_keras(net("residual", 48, 32, len(PLANES)), entry, Path("models/planes.keras"))
"""
RUN = """
from pathlib import Path
from sonotrace.stages.export_onnx import run
run("planes", Path("models/planes.keras").read_bytes())
"""
OTHERWISE = """
from sonotrace.models import classifier
answers = classifier.PlaneNet.answers
classifier.PlaneNet.answers = lambda self, images: answers(self, images[::-1])
"""
"""Makes the model say of each image what it says of another one."""


def _python(code):
    environment = os.environ | {"PYTHONPATH": str(Path(stages.__file__).parents[2]), "CUDA_VISIBLE_DEVICES": ""}
    return subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def laid_out(tmp_path_factory):
    """Lay out a model and images for the stage."""
    top = tmp_path_factory.mktemp("export")
    shutil.copyfile(Path(__file__).parents[2] / "params.yaml", top / "params.yaml")
    images = [f"i{at}" for at in range(20)]
    write_csv(pd.DataFrame({"image": images}), top / "data/planes/split/split.csv")
    (top / "data/planes/prepare/images").mkdir(parents=True)
    random = np.random.default_rng(1)
    for image in images:
        write_png(random.integers(0, 256, (32, 48), np.uint8), top / f"data/planes/prepare/images/{image}.png")
    before = Path.cwd()
    os.chdir(top)
    made = _python(MODEL)
    os.chdir(before)
    assert made.returncode == 0, made.stderr
    return top


def test_the_file_states_what_it_is(laid_out, monkeypatch):
    monkeypatch.chdir(laid_out)
    done = _python(RUN)
    assert done.returncode == 0, done.stderr
    content = Path("models/planes.onnx").read_bytes()
    made = PortableClassifier(content, Path("models/planes.onnx"))
    assert (made.planes, made.certain, made.preparation.width) == (PLANES, 0.8, 48)
    entry = made._net.entry
    native = hashlib.sha256(Path("models/planes.keras").read_bytes()).hexdigest()
    assert entry["model"] == {"name": "planes.keras", "sha256": native}
    assert entry["temperature"] == 0.5
    listed = Path("reports/planes/onnx.sha256").read_text()
    assert listed == f"{hashlib.sha256(content).hexdigest()}  planes.onnx\n"


def test_a_file_that_would_say_something_else_is_not_written(laid_out, monkeypatch):
    monkeypatch.chdir(laid_out)
    Path("models/planes.onnx").unlink(missing_ok=True)
    done = _python(OTHERWISE + RUN)
    assert done.returncode != 0
    assert "models/planes.keras: its ONNX form differs in probabilities" in done.stderr
    assert not Path("models/planes.onnx").exists()
