"""A model with impossible metadata or outputs is refused by a message with its file and the remedy."""

import json
from pathlib import Path

import numpy as np
import onnx
import pytest
import tiny_models

from sonotrace.errors import SonotraceError
from sonotrace.portable.reading import PortableClassifier, PortableDetector

PATH = Path("a.onnx")
PREPARED = [np.full((16, 32), 60, np.uint8)]


def _with(content, **values):
    """Return a model whose entry has other values, or lacks those that are None."""
    model = onnx.load_from_string(content)
    entry = json.loads(model.metadata_props[0].value) | values
    model.metadata_props[0].value = json.dumps({key: value for key, value in entry.items() if value is not None})
    return model.SerializeToString()


def _prepared(**values):
    return {"width": 32, "height": 16, "aspect": "stretch", "mask_overlays": False} | values


@pytest.mark.parametrize(
    "prepare",
    [
        _prepared(width="32"),
        _prepared(width=0),
        _prepared(height=10**9),
        _prepared(width=True),
        _prepared(aspect="other"),
        _prepared(mask_overlays="no"),
    ],
)
def test_an_impossible_preparation_is_refused(prepare):
    with pytest.raises(SonotraceError, match=r"a\.onnx: not an ONNX model made by export_onnx"):
        PortableClassifier(_with(tiny_models.classifier(), prepare=prepare), PATH)


@pytest.mark.parametrize("planes", [None, [], "brain", ["brain", 1], {"brain": 1}])
def test_a_classifier_without_plane_names_is_refused(planes):
    with pytest.raises(SonotraceError, match=r"a\.onnx: names no planes"):
        PortableClassifier(_with(tiny_models.classifier(), planes=planes), PATH)


@pytest.mark.parametrize("certain", [None, "0.8", 8, -1, float("nan")])
def test_a_classifier_without_a_threshold_of_certainty_is_refused(certain):
    with pytest.raises(SonotraceError, match=r"a\.onnx: certain is .*, not a number from 0 to 1"):
        PortableClassifier(_with(tiny_models.classifier(), certain=certain), PATH)


def test_outputs_that_do_not_match_the_planes_are_refused():
    model = PortableClassifier(_with(tiny_models.classifier(), planes=["brain"]), PATH)
    with pytest.raises(SonotraceError, match=r"a\.onnx: its output does not match its 1 planes"):
        model.answers(PREPARED)


def test_a_preparation_of_another_size_than_the_input_is_refused():
    model = PortableClassifier(_with(tiny_models.classifier(), prepare=_prepared(width=33)), PATH)
    with pytest.raises(SonotraceError, match=r"a\.onnx: fails on an image"):
        model.answers([np.zeros((16, 33), np.uint8)])


@pytest.mark.parametrize(("key", "said"), [("structures", "names no structures"), ("confidence", "confidence is None")])
def test_a_detector_without_an_entry_is_refused(key, said):
    with pytest.raises(SonotraceError, match=rf"a\.onnx: {said}"):
        PortableDetector(_with(tiny_models.detector(), **{key: None}), PATH)


def test_boxes_that_do_not_match_the_structures_are_refused():
    model = PortableDetector(_with(tiny_models.detector(), structures=["CSP"]), PATH)
    with pytest.raises(SonotraceError, match=r"a\.onnx: its output does not match its 1 structures"):
        model.detect(PREPARED, 0.1)


def test_outputs_that_are_not_numbers_are_refused():
    model = onnx.load_from_string(tiny_models.detector())
    for constant in model.graph.initializer:
        values = onnx.numpy_helper.to_array(constant)
        if values.ndim == 3:
            constant.CopyFrom(onnx.numpy_helper.from_array(values * np.float32("nan"), constant.name))
    with pytest.raises(SonotraceError, match=r"a\.onnx: its output is not one set of numbers per image"):
        PortableDetector(model.SerializeToString(), PATH).detect(PREPARED, 0.1)
