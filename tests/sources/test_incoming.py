"""The user's snapshot is read where it stands, or from the one zip file."""

import bz2
import lzma
import re
import zipfile
from pathlib import Path

import pytest

from sonotrace import labels
from sonotrace.errors import SonotraceError
from sonotrace.labels.listing import image_id
from sonotrace.sources import Request, incoming

SETTINGS = {"planes": {"table": "image_label.csv"}, "structures": {}}
FILES = {
    "planes": {"image_label.csv": b"Image_name,Plane\na,Fetal brain\n", "images/a.png": b"png"},
    "structures": {
        "data.yaml": b"names: [MIDLINE_FALX, CSP, CHOROID_PLEXUS]\n",
        "train/images/a.jpg": b"jpg",
        "train/labels/a.txt": b"0 .5 .5 .2 .2\n",
    },
}


def _snapshot(data_set, origin, into):
    request = Request(data_set, data_set, origin, SETTINGS[data_set], into, into / "keep", None, 1, lambda _: None)
    return incoming.fetch(request).folder


def _read(data_set, at):
    listed = labels.of(data_set).read_snapshot(at, SETTINGS[data_set], data_set).entries
    return [
        (entry.image, entry.file.relative_to(at).as_posix(), entry.label, [box.structure for box in entry.boxes])
        for entry in listed
    ]


def _lay_out(folder, files):
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)


def _zip(path, files, below=""):
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in files.items():
            archive.writestr(below + name, content)


@pytest.fixture
def folders(tmp_path):
    for name in ("origin", "into"):
        (tmp_path / name).mkdir()
    return tmp_path / "origin", tmp_path / "into"


@pytest.mark.parametrize("data_set", SETTINGS)
def test_a_folder_is_read_where_it_stands(folders, data_set):
    origin, into = folders
    _lay_out(origin, FILES[data_set])
    assert _snapshot(data_set, origin, into) == origin
    assert not list(into.iterdir())


@pytest.mark.parametrize("data_set", SETTINGS)
def test_a_zip_gives_what_the_folder_gives(folders, data_set):
    origin, into = folders
    _zip(origin / "export.zip", FILES[data_set])
    assert _snapshot(data_set, origin, into) == into
    from_zip = _read(data_set, into)
    _lay_out(origin, FILES[data_set])
    assert _read(data_set, origin) == from_zip
    assert [path.name for path in origin.glob("*.zip")] == ["export.zip"]


def test_a_zipped_export_may_hold_a_folder_of_its_own(folders):
    origin, into = folders
    _zip(origin / "export.zip", FILES["structures"], below="HC18.v1/")
    assert _read("structures", _snapshot("structures", origin, into)) == [
        ("a", "HC18.v1/train/images/a.jpg", "", ["MIDLINE_FALX"])
    ]


@pytest.mark.parametrize("data_set", SETTINGS)
def test_an_unpacked_snapshot_counts_before_a_zip_beside_it(folders, data_set):
    origin, into = folders
    _lay_out(origin, FILES[data_set])
    (origin / "old.zip").write_bytes(b"no zip")
    assert _snapshot(data_set, origin, into) == origin


@pytest.mark.parametrize("data_set", SETTINGS)
def test_two_zips_are_not_guessed_between(folders, data_set):
    origin, into = folders
    for name in ("a.zip", "b.zip"):
        _zip(origin / name, FILES[data_set])
    with pytest.raises(SonotraceError, match="origin: 2 archives and no images; leave one"):
        _snapshot(data_set, origin, into)


def test_an_empty_folder_is_said_to_be_empty(folders):
    origin, into = folders
    with pytest.raises(SonotraceError, match="origin: empty; put a snapshot there"):
        _snapshot("planes", origin, into)


def test_a_mangled_zip_is_refused(folders):
    origin, into = folders
    _zip(origin / "export.zip", {"../a.png": b""})
    with pytest.raises(SonotraceError, match=r"export\.zip: .*leads out"):
        _snapshot("planes", origin, into)
    assert not list(into.iterdir())


def test_a_table_beside_the_zip_of_its_images_is_read_with_them(folders):
    origin, into = folders
    _zip(origin / "Images.zip", {"Images/a.png": b"png"})
    _lay_out(origin, {"image_label.csv": FILES["planes"]["image_label.csv"], ".gitignore": b"x"})
    assert _read("planes", _snapshot("planes", origin, into)) == [("a", "Images/a.png", "Fetal brain", [])]
    assert {path.name for path in into.iterdir()} == {"Images", "image_label.csv"}
    assert {path.name for path in origin.iterdir()} == {"Images.zip", "image_label.csv", ".gitignore"}


def test_a_file_that_is_in_the_zip_and_beside_it_is_not_guessed_between(folders):
    origin, into = folders
    _zip(origin / "export.zip", FILES["planes"])
    _lay_out(origin, {"image_label.csv": b"other"})
    with pytest.raises(SonotraceError, match=r"image_label\.csv: export\.zip holds that name too; keep one"):
        _snapshot("planes", origin, into)


def test_a_zip_in_a_zip_is_named(folders):
    origin, into = folders
    _zip(origin / "inner.zip", FILES["planes"])
    _zip(origin / "outer.zip", {"x/inner.zip": (origin / "inner.zip").read_bytes()})
    (origin / "inner.zip").unlink()
    with pytest.raises(SonotraceError, match=r"outer\.zip: holds no image, but an archive, inner\.zip; unpack it once"):
        _snapshot("planes", origin, into)


@pytest.mark.parametrize(
    ("name", "content", "kind"),
    [
        ("x.7z", b"7z\xbc\xaf\x27\x1c", "7z"),
        ("x.rar", b"Rar!\x1a\x07\x01\x00", "RAR"),
        ("x.tar.xz", lzma.compress(b"x"), "xz"),
        ("x.tar.bz2", bz2.compress(b"x"), "bzip2"),
        ("x.zip", b"7z\xbc\xaf\x27\x1c", "7z"),
    ],
)
def test_archives_of_other_kinds_say_what_they_are(folders, name, content, kind):
    origin, into = folders
    (origin / name).write_bytes(content)
    with pytest.raises(
        SonotraceError, match=rf"{name}: packed with {kind}, and only zip, tar and tar\.gz are unpacked"
    ):
        _snapshot("planes", origin, into)


def test_the_patterns_in_the_docs_find_the_patients_of_their_examples():
    text = (Path(__file__).parents[2] / "docs/sources.md").read_text()
    rows = re.findall(r"^\| `(\S+\.\w+)`(?:, `(\S+)`)? \| `'(.+)'` \|$", text, re.MULTILINE)
    found = [re.search(pattern, image_id(name))["patient"] for *names, pattern in rows for name in names if name]
    assert found == ["00123", "004", "004", "US-2024-0815", "site2_p0042"]


def test_folders_named_like_notes_are_ignored(tmp_path):
    for folder in ("README.roboflow.txt", "x/data.yaml"):
        (tmp_path / "origin" / folder).mkdir(parents=True)
    (tmp_path / "origin/a.png").touch()
    request = Request("it", "planes", tmp_path / "origin", {}, tmp_path, tmp_path, None, 1, lambda _: None)
    assert incoming.fetch(request).licence == ""


@pytest.mark.parametrize("card", ["roboflow: {license: 2001-99-99}", "[" * 50_000])
def test_a_card_that_cannot_be_read_states_no_licence(tmp_path, card):
    (tmp_path / "origin").mkdir()
    (tmp_path / "origin/a.png").touch()
    (tmp_path / "origin/data.yaml").write_text(card)
    request = Request("it", "planes", tmp_path / "origin", {}, tmp_path, tmp_path, None, 1, lambda _: None)
    assert incoming.fetch(request).licence == ""
