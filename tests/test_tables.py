"""Tables come back as they were written."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sonotrace.errors import SonotraceError
from sonotrace.running.outputs import write_csv
from sonotrace.tables import BOX_COLUMNS, CORNERS, IMAGE_COLUMNS, box_table, image_table, read_table

texts = st.sampled_from(["", "NA", "null", "007", "1.0", "a,b", 'say "x"', "Größe", "nan", " x "])


def _row(**values):
    row = dict.fromkeys(IMAGE_COLUMNS, "")
    return {**row, "width": 4, "height": 3, **values}


@given(st.lists(st.tuples(texts, texts, texts, st.integers(0, 9)), max_size=6))
def test_image_tables_are_read_back_as_written(tmp_path_factory, rows):
    path = tmp_path_factory.mktemp("table") / "manifest.csv"
    table = image_table([_row(image=image, patient=patient, label=label, width=n) for image, patient, label, n in rows])
    write_csv(table, path)
    back = read_table(path)
    assert list(back.columns) == list(IMAGE_COLUMNS)
    assert back.astype(object).to_numpy().tolist() == table.astype(object).to_numpy().tolist()
    assert back["width"].dtype == back["height"].dtype == np.int64


@given(st.permutations([("b", "2"), ("a", "9"), ("b", "1"), ("a", "1"), ("B", "1")]))
def test_the_image_table_does_not_depend_on_the_order_of_rows(order):
    table = image_table([_row(image=image, file=file) for image, file in order])
    assert list(zip(table["image"], table["file"], strict=True)) == sorted(order)


def test_boxes_of_an_image_keep_their_order(tmp_path):
    corners = {"x0": 1.5, "y0": 0, "x1": 3, "y1": float("nan")}
    rows = [{"image": image, "file": "f", "structure": name, **corners} for image in "ba" for name in ("CSP", "A", "B")]
    table = box_table(rows)
    assert list(table["image"]) == list("aaabbb")
    assert list(table["structure"]) == ["CSP", "A", "B"] * 2
    write_csv(table, tmp_path / "boxes.csv")
    pd.testing.assert_frame_equal(read_table(tmp_path / "boxes.csv"), table, check_dtype=False)


def test_an_empty_box_table_has_its_columns_and_number_types(tmp_path):
    write_csv(box_table([]), tmp_path / "boxes.csv")
    table = read_table(tmp_path / "boxes.csv")
    assert list(table.columns) == list(BOX_COLUMNS)
    assert (table[CORNERS].dtypes == np.float64).all()


def test_a_missing_table_names_the_file_and_what_to_run(tmp_path):
    with pytest.raises(SonotraceError, match=r"accepted\.csv: not there; run `dvc repro`"):
        read_table(tmp_path / "accepted.csv")


@pytest.mark.parametrize("content", ["", "image,width\na,wide\n", "image\na,b\n1,2,3\n"])
def test_what_is_no_such_table_is_said_in_one_line(tmp_path, content):
    path = tmp_path / "accepted.csv"
    path.write_text(content)
    with pytest.raises(SonotraceError, match=r"accepted\.csv: not a table") as caught:
        read_table(path)
    assert "\n" not in str(caught.value)
