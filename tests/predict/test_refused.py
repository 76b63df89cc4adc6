"""An image that is none of the planes is said to be that, counted, sorted apart, and not searched."""

import json

import numpy as np
import pytest

from sonotrace.images.grey import write_png
from sonotrace.images.preparation import Preparation
from sonotrace.kinds.planes import PLANES
from sonotrace.lineage.known import TrustedModel
from sonotrace.models.detector import Detections
from sonotrace.models.judgement import Answers
from sonotrace.predict import command
from sonotrace.predict.prediction import Models, Search, none_of

FAR, NEAR = 200, 40
PREPARATION = Preparation(32, 32, "stretch", False)


class Classifier:
    """Calls everything brain; images of the grey level FAR are beyond its limit."""

    planes = PLANES
    preparation = PREPARATION

    def answers(self, images):
        scope = np.array([0.25 if image[0, 0] == FAR else -0.5 for image in images])
        return Answers(np.tile([0.1, 0.6, 0.2, 0.1], (len(images), 1)), scope)


class Detector:
    """Finds one structure in every image."""

    preparation = PREPARATION

    def detect(self, images, confidence):
        assert confidence == 0.25
        return [Detections(["CSP"], np.array([0.9]), np.array([[1.0, 1, 9, 9]])) for _ in images]


@pytest.fixture
def predicted(tmp_path, monkeypatch, capsys):
    """Return what runs of predict on a near and a far image, named after their distance, printed."""
    (tmp_path / "images").mkdir()
    for name, level in (("near", NEAR), ("far", FAR)):
        write_png(np.full((32, 32), level, np.uint8), tmp_path / f"images/{name}.png")
    monkeypatch.setattr(command, "read_model", lambda path, *_: TrustedModel(path, b"", committed=True, known=True))
    monkeypatch.setattr(command, "_load", lambda *_: Models(Classifier(), Detector()))
    chosen = command.Chosen(tmp_path / "planes.keras", None)

    def run(as_json=False, in_all_planes=False):
        outputs = command.Outputs(as_json, tmp_path / "sorted", tmp_path / "drawn")
        search = Search(0.25, in_all_planes)
        assert command.run([tmp_path / "images"], chosen, tmp_path, search, outputs, allow_unknown=False)
        return capsys.readouterr()

    return run


def test_in_words(predicted):
    printed = predicted()
    far, near = (line for line in printed.out.splitlines() if "images/" in line)
    assert far.endswith("far.png: none of the four planes (nearest: brain 0.600)")
    assert near.endswith("near.png: brain 0.600")
    assert printed.err.splitlines()[-1] == "predict: 2 images: 1 brain, 1 none of the four planes"


@pytest.mark.parametrize("in_all_planes", [False, True])
def test_as_json_and_searched_only_if_all_planes_are(predicted, in_all_planes):
    far, near = map(json.loads, predicted(as_json=True, in_all_planes=in_all_planes).out.splitlines())
    assert (far["plane"], far["reason"], far["scope"]) == (None, "none of the four planes", 0.25)
    assert (near["plane"], near["reason"], near["scope"]) == ("brain", None, -0.5)
    assert far["probabilities"] == near["probabilities"] == dict(zip(PLANES, (0.1, 0.6, 0.2, 0.1), strict=True))
    assert (far["structures_searched"], near["structures_searched"]) == (in_all_planes, True)
    assert (len(far["structures"]), len(near["structures"])) == (in_all_planes, 1)


def test_copies_and_drawings(predicted, tmp_path):
    predicted()
    copies = sorted(path.relative_to(tmp_path / "sorted").as_posix() for path in tmp_path.glob("sorted/*/*"))
    assert copies == ["brain/near.png", "none/far.png"]
    assert (tmp_path / "drawn/far.png").is_file()


def test_the_number_of_planes_is_the_models():
    assert none_of(PLANES) == "none of the four planes"
    assert none_of([*PLANES, "cervix", "other"]) == "none of the six planes"
    assert none_of(["a"] * 12) == "none of the 12 planes"
