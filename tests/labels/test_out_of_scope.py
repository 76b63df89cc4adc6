"""Images that are none of the classes are labelled by free text: their folder, or a table."""

import pytest

from sonotrace.errors import SonotraceError
from sonotrace.labels import out_of_scope


def _read(folder, *files, table=""):
    for file in files:
        (folder / file).parent.mkdir(parents=True, exist_ok=True)
        (folder / file).write_bytes(b"")
    if table:
        (folder / "labels.csv").write_text(table)
    entries = out_of_scope.read_snapshot(folder, {"table": "labels.csv"}, "strange").entries
    return {entry.image: entry.label for entry in entries}


def test_the_folder_of_an_image_is_its_label(tmp_path):
    found = _read(tmp_path, "hip/a.png", "infants/hip of twins/b.png", "fetal_other/c.png")
    assert found == {"a": "hip", "b": "hip of twins", "c": "fetal_other"}


def test_a_table_goes_before_folders(tmp_path):
    assert _read(tmp_path, "x/a.png", table="Image_name,Plane\na,Heart\n") == {"a": "Heart"}


def test_an_image_that_nothing_labels_is_refused_with_the_remedy(tmp_path):
    with pytest.raises(
        SonotraceError, match=r"a\.png: in no folder that says what it is, and no label table labels\.csv"
    ):
        _read(tmp_path, "a.png", "hip/b.png")
