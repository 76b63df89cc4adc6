"""Archives are unpacked inside their folder, or not at all."""

import stat
import zipfile

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sonotrace.archives import unpack
from sonotrace.errors import SonotraceError


def _link(name):
    info = zipfile.ZipInfo(name)
    info.create_system = 3
    info.external_attr = (stat.S_IFLNK | 0o777) << 16
    return info


def _zip(path, members, flag=0):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for member, content in members:
            archive.writestr(member, content)
    if flag:
        raw = bytearray(path.read_bytes())
        for mark, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
            at = raw.find(mark)
            while at >= 0:
                raw[at + offset] |= flag
                at = raw.find(mark, at + 1)
        path.write_bytes(raw)
    return path


def _refused(folder, archive, reason):
    into = folder / "into"
    into.mkdir()
    with pytest.raises(SonotraceError, match=rf"^[^\n]*{archive.name}: [^\n]*{reason}[^\n]*$"):
        unpack(archive, into)
    assert not list(into.iterdir())
    assert {path.name for path in folder.iterdir()} == {"into", archive.name}


def test_members_are_unpacked_with_their_folders(tmp_path):
    archive = _zip(tmp_path / "a.zip", [("data.yaml", "names: []"), ("train/", ""), ("train/images/Ä.png", b"\x89")])
    unpack(archive, tmp_path / "into")
    files = {
        path.relative_to(tmp_path / "into").as_posix(): path.read_bytes()
        for path in tmp_path.rglob("into/**/*")
        if path.is_file()
    }
    assert files == {"data.yaml": b"names: []", "train/images/Ä.png": b"\x89"}


@pytest.mark.parametrize(
    "name",
    ["/etc/passwd", "//host/x", "../x", "a/../../x", "a/..", "..", "C:\\x", "C:x", "\\x", "a\\..\\..\\x", "./../x"],
)
def test_a_member_that_leads_out_is_refused(tmp_path, name):
    archive = _zip(tmp_path / "bad.zip", [("good.txt", "x"), (zipfile.ZipInfo(name), "x")])
    _refused(tmp_path, archive, "leads out of the archive")


def test_a_link_is_refused(tmp_path):
    archive = _zip(tmp_path / "bad.zip", [("good.txt", "x"), (_link("link"), "/etc")])
    _refused(tmp_path, archive, "is a link")


@pytest.mark.parametrize(
    "names", [("a.png", "A.PNG"), ("x/a.png", "X/a.png"), ("ß", "SS"), ("a/b", "a//b"), ("a", "./a")]
)
def test_members_that_fall_together_are_refused(tmp_path, names):
    archive = _zip(tmp_path / "bad.zip", [(zipfile.ZipInfo(name), "x") for name in names])
    _refused(tmp_path, archive, "stands twice")


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_a_name_that_stands_twice_is_refused(tmp_path):
    _refused(tmp_path, _zip(tmp_path / "bad.zip", [("a", "x"), ("a", "y")]), "stands twice")


def test_an_encrypted_member_is_refused(tmp_path):
    _refused(tmp_path, _zip(tmp_path / "bad.zip", [("a", "x")], flag=1), "is encrypted; unpack it yourself first")


@pytest.mark.parametrize("content", [b"", b"<html>", b"PK\x03\x04"])
def test_what_is_no_zip_is_refused(tmp_path, content):
    archive = tmp_path / "bad.zip"
    archive.write_bytes(content)
    _refused(tmp_path, archive, "cannot be unpacked")


def test_a_zip_cut_short_is_refused(tmp_path):
    archive = _zip(tmp_path / "bad.zip", [("a", "x" * 1000), ("b", "y" * 1000)])
    archive.write_bytes(archive.read_bytes()[:-30])
    _refused(tmp_path, archive, "cannot be unpacked")


def test_a_damaged_member_is_refused(tmp_path):
    archive = _zip(tmp_path / "bad.zip", [("a", "x"), ("b", bytes(range(200)) * 3)])
    raw = bytearray(archive.read_bytes())
    at = raw.find(b"PK\x03\x04", 1) + 31
    raw[at : at + 40] = b"\xff" * 40
    archive.write_bytes(raw)
    _refused(tmp_path, archive, "cannot be unpacked")


def test_a_member_with_a_wrong_checksum_is_refused(tmp_path):
    archive = tmp_path / "bad.zip"
    with zipfile.ZipFile(archive, "w") as opened:
        opened.writestr("a", "good")
        opened.writestr("b", "contents")
    archive.write_bytes(archive.read_bytes().replace(b"contents", b"c0ntents"))
    _refused(tmp_path, archive, "cannot be unpacked")


def test_an_unknown_compression_is_refused(tmp_path):
    archive = _zip(tmp_path / "bad.zip", [("a", "x" * 100)])
    raw = bytearray(archive.read_bytes())
    raw[8] = raw[raw.find(b"PK\x01\x02") + 10] = 9
    archive.write_bytes(raw)
    _refused(tmp_path, archive, "cannot be unpacked")


@pytest.mark.parametrize("name", ["./", ".", ""])
def test_a_member_that_names_the_folder_itself_is_no_crash(tmp_path, name):
    archive = _zip(tmp_path / "a.zip", [(zipfile.ZipInfo(name), ""), ("good.txt", "x")])
    try:
        unpack(archive, tmp_path / "into")
    except SonotraceError as error:
        assert "a.zip" in str(error)  # noqa: PT017 - either is right, a crash is not


def test_a_file_that_is_also_a_folder_is_refused(tmp_path):
    _refused(tmp_path, _zip(tmp_path / "bad.zip", [("a", "x"), ("a/b", "y")]), "a.*")


pieces = st.sampled_from(["..", "/", "\\", "a", "b", "C:", "."])


@given(st.lists(st.lists(pieces, min_size=1, max_size=6).map("".join), min_size=1, max_size=3))
@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_nothing_lands_outside_whatever_the_names(tmp_path_factory, names):
    folder = tmp_path_factory.mktemp("zip")
    archive = _zip(folder / "a.zip", [(zipfile.ZipInfo(f"a{name}"), "x") for name in names])
    (folder / "into").mkdir()
    try:
        unpack(archive, folder / "into")
    except SonotraceError:
        pass
    else:
        assert len([path for path in (folder / "into").rglob("*") if path.is_file()]) <= len(names)
    assert {path.name for path in folder.iterdir()} == {"a.zip", "into"}
