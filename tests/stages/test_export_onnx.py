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
from packed import packed

from sonotrace import stages
from sonotrace.kinds.planes import PLANES
from sonotrace.portable.reading import PortableClassifier
from sonotrace.running.outputs import write_csv

MODEL = """
from pathlib import Path
import keras
import numpy as np
from sonotrace.images.packs import stored_in
from sonotrace.kinds.planes import PLANES
from sonotrace.models.cnn import net
from sonotrace.models.files import write_keras
from sonotrace.models.judgement import Judgement
keras.utils.set_random_seed(1)
prepare = {"width": 48, "height": 32, "aspect": "stretch", "mask_overlays": False}
entry = {"planes": PLANES, "prepare": prepare, "judgement": Judgement(0.5).entry()}
made = net("residual", 48, 32, len(PLANES))
images = np.stack([part.read() for _, part in sorted(stored_in(Path("data/planes/prepare/images")).items())])
last = made.layers[-1]
values = keras.Model(made.input, last.input).predict(images[..., None].astype("float32"), verbose=0)
kernel, _ = last.get_weights()
kernel *= 5 / (values @ kernel).std(axis=0)
last.set_weights([kernel, -(values @ kernel).mean(axis=0)])
write_keras(made, entry, Path("models/planes.keras"))
"""
"""Trained on nothing, with a last layer that tells the images apart."""
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
    images = [f"i{at}" for at in range(40)]
    table = pd.DataFrame({"image": images, "side": ["train", "val"] * 20, "label": ["brain"] * 40})
    write_csv(table, top / "data/planes/split/split.csv")
    random = np.random.default_rng(1)
    pictures = {image: random.integers(0, 50 * (at % 5) + 56, (32, 48), np.uint8) for at, image in enumerate(images)}
    packed(top / "data/planes/prepare/images", pictures)
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


IN_8_BITS = """
import yaml
from pathlib import Path
path = Path("params.yaml")
params = yaml.safe_load(path.read_text())
params["export_onnx"]["planes"]["bits"] = 8
path.write_text(yaml.safe_dump(params))
"""
WORSE = """
from sonotrace.portable import quantised
made = quantised.quantised
def worse(graph, images):
    import numpy as np
    from onnx import numpy_helper
    small = made(graph, images)
    for constant in small.graph.initializer:
        if constant.data_type == 3:
            constant.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(constant) * 0, constant.name))
    return small
quantised.quantised = worse
"""
"""Makes the weights in 8 bit zero."""
LABELLED = """
import numpy as np
import pandas as pd
from pathlib import Path
from sonotrace.images.packs import stored_in
from sonotrace.portable.reading import PortableClassifier
net = PortableClassifier(Path("models/planes.onnx").read_bytes(), Path("models/planes.onnx"))
table = pd.read_csv("data/planes/split/split.csv")
prepared = stored_in(Path("data/planes/prepare/images"))
images = [prepared[image].read() for image in table["image"]]
said = net.answers(images).probabilities
table["label"] = [net.planes[at] for at in said.argmax(axis=1)]
ordered = np.sort(said, axis=1)
table = table[ordered[:, -1] - ordered[:, -2] > 0.95]
assert table["label"].nunique() > 1
table.to_csv("data/planes/split/split.csv", index=False)
"""
"""Labels each image as the file in 32 bit names it, and drops those of which it is unsure."""


def test_in_8_bits_the_file_is_smaller_and_the_same_on_each_run_and_worse_ones_are_not_written(laid_out, monkeypatch):
    monkeypatch.chdir(laid_out)
    before = Path("params.yaml").read_text(), Path("data/planes/split/split.csv").read_text()
    path = Path("models/planes.onnx")
    assert _python(RUN + LABELLED).returncode == 0
    large = path.read_bytes()
    made = []
    for _ in range(2):
        done = _python(IN_8_BITS + RUN)
        assert done.returncode == 0, done.stderr
        made.append(path.read_bytes())
    count = (pd.read_csv("data/planes/split/split.csv")["side"] == "val").sum()
    assert count > 5
    assert f"in 8 bit {count} of {count} validation images are right, in 32 bit {count}\n" in done.stdout
    assert made[0] == made[1]
    assert len(made[0]) < 0.5 * len(large)
    images = np.random.default_rng(2).integers(0, 256, (4, 32, 48), np.uint8)
    said = [PortableClassifier(content, path).answers(list(images)).probabilities for content in (large, made[0])]
    assert 0 < np.abs(said[0] - said[1]).mean() < 0.1
    path.unlink()
    done = _python(WORSE + IN_8_BITS + RUN)
    assert done.returncode != 0
    assert "export_onnx.planes.bits: 8 costs accuracy: " in done.stderr
    assert not path.exists()
    for name, content in zip(("params.yaml", "data/planes/split/split.csv"), before, strict=True):
        Path(name).write_text(content)
