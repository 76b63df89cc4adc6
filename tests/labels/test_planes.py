"""Label tables of planes, in the forms in which they are published."""

import pytest

from sonotrace.errors import SonotraceError
from sonotrace.kinds.planes import OUT_OF_SCOPE, PLANES, classes_in, plane_of
from sonotrace.labels import planes


def read_snapshot(folder, table, data_set="planes"):
    return planes.read_snapshot(folder, {"table": table}, data_set).entries


PLAIN = "Image_name,Plane\nPatient1_Plane2_1_of_2,Fetal abdomen\nPatient2_Plane3_1_of_1,Fetal brain\n"
OFFICIAL = (
    "Image_name;Patient_num;Plane;Brain_plane;Operator;US_Machine;Train \n"
    "Patient00001_Plane1_1_of_2;1;Other;Not A Brain;Other;Aloka;1\n"
    "Patient00002_Plane3_1_of_1;2;Fetal brain;Trans-thalamic;Op. 1;Voluson E6;0\n"
    "Patient00003_Plane5_1_of_1;3;Fetal femur;Not A Brain;Op. 2;Voluson S10;1 \n"
)


AFRICAN = (
    "Patient_num,Plane,Train,Center,Image_name\r\n"
    "7,Fetal femur,1,Algeria,patient007_DZA_plane2\r\n"
    "7,Fetal brain,0,Egypt,patient007_EGY_plane1\r\n"
)


def _snapshot(folder, table, images=(), name="image_label.csv"):
    (folder / name).write_bytes(table if isinstance(table, bytes) else table.encode())
    for image in images:
        path = folder / image
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"")
    return {entry.image: entry for entry in read_snapshot(folder, name)}


def test_the_outputs_of_the_classifier_are_the_planes_by_alphabet():
    assert list(PLANES) == sorted(PLANES)
    assert PLANES == ("abdomen", "brain", "femur", "thorax")


@pytest.mark.parametrize(
    ("label", "plane"),
    [
        ("Fetal brain", "brain"),
        ("fetal THORAX ", "thorax"),
        ("femur", "femur"),
        ("Fetal abdomen", "abdomen"),
        ("Other", "other"),
        ("Maternal cervix", "cervix"),
        ("CERVIX", "cervix"),
        ("Fetal cervix", None),
        ("Fetal other", None),
        ("Maternal brain", None),
        ("Fetal", None),
        ("", None),
        ("brain2", None),
    ],
)
def test_a_label_names_its_plane_or_none(label, plane):
    assert plane_of(label) == plane


@pytest.mark.parametrize(
    ("labels", "classes"),
    [
        ([], PLANES),
        (["brain", "femur"], PLANES),
        (["brain", "other"], PLANES + OUT_OF_SCOPE),
        (["cervix"], PLANES + OUT_OF_SCOPE),
    ],
)
def test_the_outputs_are_the_four_planes_or_all_six(labels, classes):
    assert classes_in(labels) == classes


def test_the_plain_table_gives_label_and_line(tmp_path):
    found = _snapshot(tmp_path, PLAIN, ["images/Patient1_Plane2_1_of_2.png", "Patient2_Plane3_1_of_1.JPG"])
    first, second = found["Patient1_Plane2_1_of_2"], found["Patient2_Plane3_1_of_1"]
    assert (first.label, first.labelled_by) == ("Fetal abdomen", "image_label.csv:2")
    assert first.file == tmp_path / "images/Patient1_Plane2_1_of_2.png"
    assert (first.official_split, first.scanner, first.boxes) == ("", "", [])
    assert (second.label, second.labelled_by) == ("Fetal brain", "image_label.csv:3")
    assert second.file == tmp_path / "Patient2_Plane3_1_of_1.JPG"


def test_a_column_site_says_where_an_image_was_taken(tmp_path):
    found = _snapshot(tmp_path, "Image_name,Plane,Site\na,Fetal brain,North\nb,Fetal brain,\n", ["a.png", "b.png"])
    assert [entry.site for entry in found.values()] == ["North", ""]


@pytest.mark.parametrize("ends", ["\n", "\r\n"])
@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_the_official_table_gives_side_and_scanner(tmp_path, ends, mark):
    table = mark + OFFICIAL.replace("\n", ends)
    found = _snapshot(tmp_path, table.encode(), name="FETAL_PLANES_DB_data.csv")
    sides = [entry.official_split for entry in found.values()]
    assert sides == ["train", "test", "train"]
    assert [entry.scanner for entry in found.values()] == ["Aloka", "Voluson E6", "Voluson S10"]
    assert [entry.label for entry in found.values()] == ["Other", "Fetal brain", "Fetal femur"]
    assert next(iter(found)) == "Patient00001_Plane1_1_of_2"


def test_names_in_the_table_may_have_an_ending(tmp_path):
    table = "Image_name,Plane\na.png,Fetal brain\nb.v2,Fetal femur\nc.TIF,Fetal femur\nd.dcm,Fetal femur\n"
    found = _snapshot(tmp_path, table, ["a.png", "b.v2.jpeg", "c.TIF", "d.dcm"])
    assert found["a"].file == tmp_path / "a.png"
    assert found["c"].file == tmp_path / "c.TIF"
    assert found["d"].file == tmp_path / "d.dcm"
    assert [entry.label for entry in found.values()] == ["Fetal brain", *["Fetal femur"] * 3]
    assert found["b.v2"].file == tmp_path / "b.v2.jpeg"


def test_rows_without_image_and_images_without_row_are_listed(tmp_path):
    found = _snapshot(tmp_path, PLAIN, ["Patient1_Plane2_1_of_2.png", "extra.png", ".hidden.png", "notes.txt"])
    assert found["Patient2_Plane3_1_of_1"].file is None
    assert found["extra"].file == tmp_path / "extra.png"
    assert (found["extra"].label, found["extra"].labelled_by) == ("", "")
    assert len(found) == 3


def test_an_id_used_twice_is_listed_twice(tmp_path):
    (tmp_path / "labels.csv").write_text("Image_name,Plane\na,Fetal brain\na,Fetal femur\nb,Fetal femur\n")
    for file in ("one/a.png", "two/a.png", "b.png"):
        (tmp_path / file).parent.mkdir(exist_ok=True)
        (tmp_path / file).touch()
    listed = [
        (entry.image, entry.file.relative_to(tmp_path).as_posix(), entry.label)
        for entry in read_snapshot(tmp_path, "labels.csv")
    ]
    assert sorted(listed) == [
        ("a", "one/a.png", "Fetal brain"),
        ("a", "one/a.png", "Fetal femur"),
        ("a", "two/a.png", "Fetal brain"),
        ("a", "two/a.png", "Fetal femur"),
        ("b", "b.png", "Fetal femur"),
    ]


def test_the_table_may_stand_in_a_folder_of_its_own(tmp_path):
    (tmp_path / "FETAL_PLANES").mkdir()
    (tmp_path / "FETAL_PLANES" / "t.csv").write_text("Image_name,Plane\na,Fetal brain\n")
    (tmp_path / "FETAL_PLANES" / "a.png").touch()
    (entry,) = read_snapshot(tmp_path, "t.csv")
    assert (entry.file, entry.label, entry.labelled_by) == (
        tmp_path / "FETAL_PLANES" / "a.png",
        "Fetal brain",
        "t.csv:2",
    )


def test_a_missing_table_lists_those_that_are_there(tmp_path):
    with pytest.raises(SonotraceError, match=r"image_label\.csv: no such label table, .*no \.csv file"):
        read_snapshot(tmp_path, "image_label.csv")
    for name in ("b.csv", "a.csv", "c.txt"):
        (tmp_path / name).touch()
    with pytest.raises(SonotraceError, match=r"pull\.planes\.incoming\.table must name one of: a\.csv, b\.csv$"):
        read_snapshot(tmp_path, "image_label.csv")


def test_a_table_that_stands_in_two_folders_is_ambiguous(tmp_path):
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "t.csv").write_text("Image_name,Plane\n")
    with pytest.raises(SonotraceError, match=r"2 files t\.csv below it; keep one"):
        read_snapshot(tmp_path, "t.csv")


@pytest.mark.parametrize(
    ("header", "said"),
    [
        ("Image,Plane", "no column Image_name among Image, Plane;"),
        ("Image_name;Label", "no column Plane among Image_name, Label;"),
        ("", "no column Image_name among none;"),
        ("Image_name\tPlane", "no column Image_name among Image_name\\\\tPlane;"),
    ],
)
def test_a_missing_column_is_named_beside_those_found(tmp_path, header, said):
    (tmp_path / "t.csv").write_text(f"{header}\na,b\n" if header else "")
    with pytest.raises(SonotraceError, match=rf"t\.csv: {said}"):
        read_snapshot(tmp_path, "t.csv")


def test_a_table_that_is_not_utf8_is_an_error(tmp_path):
    (tmp_path / "t.csv").write_bytes("Image_name,Plane\nä,Fetal brain\n".encode("latin-1"))
    with pytest.raises(SonotraceError, match=r"t\.csv: byte 17 is not UTF-8"):
        read_snapshot(tmp_path, "t.csv")


def test_a_row_cut_short_has_no_label(tmp_path):
    found = _snapshot(tmp_path, "Image_name,Plane\na\nb,Fetal brain\n", ["a.png", "b.png"])
    assert (found["a"].label, found["b"].label) == ("", "Fetal brain")


def _folders(folder, *files):
    for file in files:
        (folder / file).parent.mkdir(parents=True, exist_ok=True)
        (folder / file).touch()
    return {entry.image: entry for entry in read_snapshot(folder, "image_label.csv")}


def test_without_a_table_an_image_is_labelled_by_the_folder_it_lies_in(tmp_path):
    found = _folders(tmp_path, "Fetal brain/a.png", "femur/b.TIF", "Other/c.bmp", "Maternal cervix/d.dcm", "README.txt")
    assert {image: (entry.label, entry.labelled_by) for image, entry in found.items()} == {
        "a": ("Fetal brain", "Fetal brain"),
        "b": ("femur", "femur"),
        "c": ("Other", "Other"),
        "d": ("Maternal cervix", "Maternal cervix"),
    }
    assert found["a"].file == tmp_path / "Fetal brain/a.png"
    assert found["a"].official_split == ""


def test_a_folder_export_of_roboflow_gives_side_and_source(tmp_path):
    found = _folders(
        tmp_path / "export",
        "train/Fetal brain/P1_png.rf.0a.jpg",
        "valid/Fetal femur/P2_png.rf.0b.jpg",
        "val/Fetal femur/P4.jpg",
        "test/Fetal brain/P3.jpg",
    )
    assert {(entry.source_image, entry.official_split, entry.labelled_by) for entry in found.values()} == {
        ("P1_png", "train", "train/Fetal brain"),
        ("P2_png", "val", "valid/Fetal femur"),
        ("", "val", "val/Fetal femur"),
        ("", "test", "test/Fetal brain"),
    }


def test_the_table_counts_before_the_folders(tmp_path):
    (tmp_path / "image_label.csv").write_text("Image_name,Plane\na,Fetal femur\n")
    assert _folders(tmp_path, "brain/a.png")["a"].label == "Fetal femur"


@pytest.mark.parametrize("stray", ["spine/b.png", "b.png", "brain/axial/b.png", "train/b.png"])
def test_an_image_beside_the_folders_of_planes_is_an_error(tmp_path, stray):
    with pytest.raises(SonotraceError, match=rf"no label table image_label\.csv, and {stray} is in no folder named"):
        _folders(tmp_path, "brain/a.png", stray)


def test_folders_beside_a_table_of_another_name_are_ambiguous(tmp_path):
    (tmp_path / "labels.csv").write_text("\ufeffImage_name; Plane\na;Fetal femur\n", encoding="utf-8")
    with pytest.raises(SonotraceError, match=r"set pull\.planes\.incoming\.table: labels\.csv, or remove it"):
        _folders(tmp_path, "brain/a.png")
    (tmp_path / "labels.csv").write_text("Image_name,weeks\na,22\n")
    assert _folders(tmp_path, "brain/a.png")["a"].label == "brain"


def test_the_snapshot_s_own_name_labels_nothing(tmp_path):
    with pytest.raises(SonotraceError, match=r"no such label table, and no image in a folder named after a plane"):
        _folders(tmp_path / "brain", "a.png", "images/b.png")


def _sides(folder, values):
    rows = "".join(f"i{number};Fetal brain;{value}\n" for number, value in enumerate(values))
    return list(_snapshot(folder, f"Image_name;Plane;Train\n{rows}").values())


@pytest.mark.parametrize(
    ("values", "side"),
    [
        (["1", "1.0", "1,0", "Train", "TRAINING", "True"], "train"),
        (["0", "0.0", "0,0", "test", "Test", "FALSE"], "test"),
        (["val", "Valid", "validation"], "val"),
        (["", " "], ""),
    ],
)
def test_a_side_is_read_in_all_its_forms(tmp_path, values, side):
    assert {(entry.official_split, entry.refused) for entry in _sides(tmp_path, values)} == {(side, "")}


@pytest.mark.parametrize("value", ["2", "-1", "0.5", "nan", "NA", "yes", "train/test", "1.0.0"])
def test_a_side_that_is_none_refuses_its_row(tmp_path, value):
    good, bad = _sides(tmp_path, ["1", value])
    assert (good.official_split, good.refused) == ("train", "")
    assert bad.labelled_by == "image_label.csv:3"
    assert bad.refused.startswith(f"unknown official side: Train is {value!r}; use 1 or train, 0 or test")


def test_columns_are_known_in_any_case_and_stand_once(tmp_path):
    found = _snapshot(tmp_path, "image_name,PLANE,train,site\na,Fetal brain,0,North\n")
    assert (found["a"].label, found["a"].official_split, found["a"].site) == ("Fetal brain", "test", "North")
    with pytest.raises(SonotraceError, match="2 columns are called Train; keep one"):
        _snapshot(tmp_path, "Image_name,Plane,Train,train\na,Fetal brain,0,1\n")


def test_a_column_patient_says_whose_image_it_is(tmp_path):
    found = _snapshot(tmp_path, "Image_name,Plane,Patient\na,Fetal brain,P-7\nb,Fetal brain,\n")
    assert (found["a"].patient, found["a"].refused) == ("P-7", "")
    assert found["b"].refused.startswith("unreadable patient: the column Patient is empty here; fill it in")


def test_blank_rows_of_excel_count_for_nothing(tmp_path):
    found = _snapshot(tmp_path, "Image_name;Plane\r\na;Fetal brain\r\n;\r\n ; \r\n\r\nb;Fetal femur\r\n;\r\n")
    assert {image: entry.labelled_by for image, entry in found.items()} == {
        "a": "image_label.csv:2",
        "b": "image_label.csv:6",
    }


def test_a_row_without_an_image_name_says_so(tmp_path):
    found = _snapshot(tmp_path, "Image_name,Plane\n,Fetal brain\n")
    assert found[""].refused.startswith("row without image name: Image_name is empty")


def test_names_in_another_unicode_form_are_the_same(tmp_path):
    found = _snapshot(tmp_path, "Image_name,Plane\nM\u00fcller,Fetal brain\n", ["Mu\u0308ller.png"])
    assert [(entry.image, entry.file.name) for entry in found.values()] == [("M\u00fcller", "Mu\u0308ller.png")]


def test_sides_are_told_by_folders_in_any_case(tmp_path):
    found = _folders(tmp_path, "Train/brain/a.png", "VALIDATION/brain/b.png", "Test/brain/c.jfif", "brain/d.webp")
    assert [found[image].official_split for image in "abcd"] == ["train", "val", "test", ""]


def test_the_african_table_names_the_centre_and_its_patient_numbers_are_left_to_the_file_names(tmp_path):
    found = _snapshot(
        tmp_path, AFRICAN, ["patient007_DZA_plane2.png", "patient007_EGY_plane1.png"], "African_train.csv"
    )
    assert [(entry.label, entry.site, entry.patient, entry.official_split) for _, entry in sorted(found.items())] == [
        ("Fetal femur", "Algeria", "", "train"),
        ("Fetal brain", "Egypt", "", "test"),
    ]


def test_a_table_with_site_and_center_is_ambiguous(tmp_path):
    with pytest.raises(SonotraceError, match="2 columns are called Site; keep one"):
        _snapshot(tmp_path, "Image_name,Plane,Site,Center\na,Fetal brain,North,South\n", ["a.png"])


def test_a_table_that_csv_cannot_read_is_an_error(tmp_path):
    with pytest.raises(SonotraceError, match=r"image_label\.csv: not a CSV table \(field larger"):
        _snapshot(tmp_path, f"Image_name,Plane\n{'a' * 200_000},Fetal brain\n")


def test_a_folder_named_like_the_table_is_ignored(tmp_path):
    (tmp_path / "other.csv").mkdir()
    (tmp_path / "image_label.csv").mkdir()
    (tmp_path / "Fetal brain").mkdir()
    (tmp_path / "Fetal brain" / "a.png").touch()
    (entry,) = read_snapshot(tmp_path, "image_label.csv")
    assert (entry.image, entry.label) == ("a", "Fetal brain")


def test_a_column_name_cannot_break_the_line(tmp_path):
    with pytest.raises(SonotraceError, match="no column") as caught:
        _snapshot(tmp_path, "Image_name,Pl\x1b[2J\x00\n")
    assert str(caught.value).isprintable()
