"""The same net learns and answers on every backend of Keras; the pipeline's own is TensorFlow."""

import hashlib
import json
import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import folded as folded_run
import numpy as np
import pytest
import yaml

from sonotrace import cli

ANSWERS = """
import json, sys
from pathlib import Path
from sonotrace.images.packs import stored_in
from sonotrace.models.classifier import PlaneClassifier
path = Path("models/planes.keras")
classifier = PlaneClassifier(path.read_bytes(), path)
images = [part.read() for _, part in sorted(stored_in(Path("data/planes/prepare/images")).items())[:16]]
print(json.dumps(classifier.answers(images).probabilities.tolist()))
"""


def _answers(top, backend):
    env = os.environ | {"KERAS_BACKEND": backend, "PYTHONPATH": str(Path(cli.__file__).parents[2])}
    done = subprocess.run(
        [sys.executable, "-c", ANSWERS], cwd=top, env=env, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return np.array(json.loads(done.stdout.splitlines()[-1]))


@pytest.mark.parametrize(
    ("backend", "architecture", "times"),
    [("torch", "efficientnet_lite0", 2), ("jax", "efficientnet_lite0", 1), ("jax", "published", 2)],
)
def test_a_net_is_trained_to_the_same_bytes_each_time_and_answers_alike_on_tensorflow(
    tmp_path, monkeypatch, backend, architecture, times
):
    """Of the pair that takes longest to compile, one training is enough."""
    if find_spec(backend) is None:
        pytest.skip(f"{backend} is not installed")
    monkeypatch.setenv("KERAS_BACKEND", backend)
    top = tmp_path / "top"
    folded_run.make(top)
    params = yaml.safe_load((top / "params.yaml").read_text())
    weights = "imagenet" if architecture.startswith("efficientnet") else "none"
    params["train_cnn"]["planes"] |= {"architecture": architecture, "weights": weights, "epochs": 2}
    (top / "params.yaml").write_text(yaml.safe_dump(params, sort_keys=False))
    hashes = set()
    for _ in range(times):
        said = folded_run.run(top, "train_cnn", "planes")
        hashes.add(hashlib.sha256((top / "models/planes.keras").read_bytes()).hexdigest())
    assert len(hashes) == 1
    losses = [float(line.partition(": loss ")[2].split(",")[0]) for line in said.splitlines() if ": loss " in line]
    assert losses[-1] < losses[0]
    own, tensorflow = _answers(top, backend), _answers(top, "tensorflow")
    assert np.abs(own - tensorflow).max() < 1e-4
    assert np.ptp(own, axis=0).max() > 1e-3  # the answers depend on the image, so there is something to agree on
