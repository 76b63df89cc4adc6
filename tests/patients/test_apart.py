"""Nobody whom a model learned from is in a cohort."""

import pandas as pd
import pytest

from sonotrace.errors import SonotraceError
from sonotrace.patients.apart import require_apart


def _table(*rows):
    return pd.DataFrame(rows, columns=["image", "patient", "sha256"])


OWN = _table(("a", "1", "x"), ("b", "1", "y"), ("c", "2", "z"))


def test_other_people_and_other_images_pass():
    require_apart("abroad", OWN, "planes", _table(("a", "3", "w")))  # the same image id says nothing


def test_all_patients_are_counted_one_image_is_shown_and_no_patient_is_named():
    with pytest.raises(SonotraceError) as caught:
        require_apart("abroad", OWN, "planes", _table(("p", "1", "w"), ("q", "2", "v")))
    said = str(caught.value)
    assert said.startswith("abroad: 2 patients and 0 images are in planes too, which the model learned from, such as ")
    assert "image a;" in said
    assert "if they are other people, make pull.abroad.patient_pattern" in said
    assert "\n" not in said


def test_identical_images_are_never_other_people():
    with pytest.raises(
        SonotraceError, match=r"^abroad: 0 patients and 1 images .* image b; take these images out of"
    ) as e:
        require_apart("abroad", OWN, "planes", _table(("p", "9", "y")))
    assert "other people" not in str(e.value)
