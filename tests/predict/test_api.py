"""`sonotrace.load` gives an object that says of arrays and files what the command says."""

import hashlib

import numpy as np
import pytest
import tiny_models
from dicom_files import dicom, region

import sonotrace
from sonotrace.errors import SonotraceError
from sonotrace.images.grey import write_png
from sonotrace.kinds.planes import PLANES
from sonotrace.predict.search import Search

IMAGE = np.full((32, 64), tiny_models.LEVELS["brain"], np.uint8)


@pytest.fixture
def models(tmp_path):
    tiny_models.write(tmp_path / "models")
    return tmp_path / "models"


def test_a_file_and_its_array_give_the_same(models, tmp_path):
    hashes = tmp_path / "sums"
    lines = (f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.name}\n" for path in models.iterdir())
    hashes.write_text("".join(lines))
    loaded = sonotrace.load(tmp_path, hashes=[hashes])
    write_png(IMAGE, tmp_path / "brain.png")
    of_file = loaded.predict(tmp_path / "brain.png")
    assert of_file.plane == "brain"
    assert [(one.structure, one.box) for one in of_file.structures] == [("CSP", [16.0, 8.0, 48.0, 24.0])]
    coloured = np.repeat(IMAGE[..., None], 3, axis=2)
    for array in (IMAGE, coloured):
        of_array = loaded.predict(array)
        assert of_array.file == ""
        assert (of_array.probabilities, of_array.structures) == (of_file.probabilities, of_file.structures)
    assert list(loaded.predict_all([tmp_path])) == [of_file]
    assert (loaded.planes, loaded.structures) == (PLANES, ("CHOROID_PLEXUS", "CSP", "MIDLINE_FALX"))


@pytest.mark.parametrize("array", [IMAGE.astype(float), IMAGE[0], IMAGE[..., None], IMAGE[:0]])
def test_other_arrays_are_refused(models, array):
    with pytest.raises(ValueError, match="give uint8 of shape"):
        sonotrace.load(models, allow_unknown=True).predict(array)


def test_files_that_cannot_be_read_and_models_that_nobody_knows_raise(models, tmp_path):
    with pytest.raises(SonotraceError, match="nobody vouches"):
        sonotrace.load(models)
    loaded = sonotrace.load(models, allow_unknown=True, search=Search(all_boxes=True))
    with pytest.raises(SonotraceError, match=r"gone\.png: cannot be read"):
        loaded.predict(tmp_path / "gone.png")
    with pytest.raises(SonotraceError, match="cannot be read"):
        loaded.predict(tmp_path)
    assert len(loaded.predict(IMAGE).structures) == 2


def test_boxes_in_dicom_are_in_px_of_the_full_frame(models, tmp_path):
    frame = np.zeros((50, 90), np.uint8)
    frame[10:42, 20:84] = IMAGE
    (tmp_path / "a.dcm").write_bytes(dicom(frame, regions=[region(20, 10, 84, 42)]))
    found = sonotrace.load(models, allow_unknown=True).predict(tmp_path / "a.dcm")
    assert (found.plane, found.frame, found.region) == ("brain", 1, (20, 10, 84, 42))
    assert [one.box for one in found.structures] == [[36.0, 18.0, 68.0, 34.0]]
