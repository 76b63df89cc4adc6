"""An archive is unpacked inside its folder with the right bytes, or leaves everything as it was."""

import gzip
import io
import os
import posixpath
import stat
import struct
import tarfile
import unicodedata
import zipfile
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sonotrace.errors import SonotraceError
from sonotrace.sources.transfer.archives import Limits, unpack

KINDS = ["zip", "tar", "tar.gz"]
TAR_TYPES = {
    stat.S_IFDIR: tarfile.DIRTYPE,
    stat.S_IFLNK: tarfile.SYMTYPE,
    stat.S_IFCHR: tarfile.CHRTYPE,
    stat.S_IFBLK: tarfile.BLKTYPE,
    stat.S_IFIFO: tarfile.FIFOTYPE,
}
IMAGES = [("data.yaml", b"names: []"), ("train/images/\u00c4.png", b"\x89PNG" * 50), ("train/empty.txt", b"")]

pytestmark = pytest.mark.filterwarnings("ignore:Duplicate name")


def _zip(path, members, method=zipfile.ZIP_DEFLATED):
    with zipfile.ZipFile(path, "w", method) as archive:
        for name, content, *mode in members:
            info = zipfile.ZipInfo(name.replace("\0", "_"))
            info.filename = name
            info.compress_type = method
            info.create_system = 3
            info.external_attr = (mode[0] if mode else 0o644) << 16
            archive.writestr(info, content)
    return path


def _tar_info(name, content=b"", mode=0o644, **fields):
    info = tarfile.TarInfo(name)
    info.size = len(content)
    info.mode = stat.S_IMODE(mode)
    info.type = TAR_TYPES.get(stat.S_IFMT(mode), tarfile.REGTYPE)
    for field, value in fields.items():
        setattr(info, field, value)
    return info


def _tar(path, members, **options):
    with tarfile.open(path, "w:gz" if path.name.endswith("gz") else "w", **options) as archive:
        for name, content, *mode in members:
            archive.addfile(_tar_info(name, content, *mode), io.BytesIO(content))
    return path


def _pack(path, members):
    return (_zip if path.name.endswith("zip") else _tar)(path, members)


def _files(folder):
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def _forge(archive, at, form, value, number=0):
    """Set a field of the central directory's entry `number`, at an offset into that entry."""
    raw = bytearray(archive.read_bytes())
    entry = -1
    for _ in range(number + 1):
        entry = raw.index(b"PK\x01\x02", entry + 1)
    struct.pack_into(form, raw, entry + at, value)
    archive.write_bytes(raw)
    return archive


FLAGS, METHOD, CRC, SIZE, OFFSET = (8, "<H"), (10, "<H"), (16, "<I"), (24, "<I"), (42, "<I")


def _message(archive, reason):
    return rf"^[^\n]*{archive.name}: [^\n]*{reason}[^\n]*$"


def _refused_unread(archive, reason, **options):
    """The archive is refused before so much as a folder is made."""
    with pytest.raises(SonotraceError, match=_message(archive, reason)):
        unpack(archive, archive.parent / "deep" / "into", **options)
    assert [path.name for path in archive.parent.iterdir()] == [archive.name]


def _refused_while_read(archive, reason):
    """The archive is refused, and a good folder stays as it was."""
    into = archive.parent / "into"
    into.mkdir()
    (into / "old").write_text("good")
    with pytest.raises(SonotraceError, match=_message(archive, reason)):
        unpack(archive, into)
    assert _files(into) == {"old": b"good"}
    assert {path.name for path in archive.parent.iterdir()} == {"into", archive.name}


@pytest.fixture(params=KINDS)
def pack(request, tmp_path):
    """Return the function that packs members `(name, content[, mode])` into an archive of one kind."""
    return lambda members: _pack(tmp_path / f"a.{request.param}", members)


def test_members_are_unpacked_with_their_folders(pack, tmp_path):
    archive = pack([*IMAGES, ("none/here/", b"", stat.S_IFDIR | 0o755)])
    unpack(archive, tmp_path / "deep" / "into")
    assert _files(tmp_path / "deep" / "into") == dict(IMAGES)
    assert (tmp_path / "deep" / "into" / "none" / "here").is_dir()


def test_what_stood_there_before_is_replaced(pack, tmp_path):
    (tmp_path / "into").mkdir()
    (tmp_path / "into" / "old").touch()
    unpack(pack(IMAGES), tmp_path / "into")
    assert _files(tmp_path / "into") == dict(IMAGES)


def test_each_file_advances_the_count(pack, tmp_path):
    counts = []
    unpack(pack(IMAGES), tmp_path / "into", advance=counts.append)
    assert sum(counts) == len(IMAGES)


@pytest.mark.parametrize("ending", ["tgz", "TAR.GZ", "tar"])
def test_a_tar_is_told_by_its_ending_and_gzip_by_its_bytes(tmp_path, ending):
    archive = _pack(tmp_path / "a.tar.gz", IMAGES).rename(tmp_path / f"a.{ending}")
    unpack(archive, tmp_path / "into")
    assert _files(tmp_path / "into") == dict(IMAGES)


def test_permissions_in_the_archive_do_not_count(pack, tmp_path):
    umask = os.umask(0o027)
    try:
        unpack(pack([("a", b"x", stat.S_IFREG | 0o7777), ("b/", b"", stat.S_IFDIR | 0o7000)]), tmp_path / "into")
    finally:
        os.umask(umask)
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "into").iterdir()}
    assert modes == {"a": 0o640, "b": 0o750}


def test_what_macos_adds_is_left_out(pack, tmp_path):
    extra = ["__MACOSX/._a.png", "__MACOSX/train/._a.png", ".DS_Store", "train/.DS_Store"]
    unpack(pack([("train/a.png", b"x"), *((name, b"y") for name in extra)]), tmp_path / "into")
    assert _files(tmp_path / "into") == {"train/a.png": b"x"}
    assert [path.name for path in (tmp_path / "into").iterdir()] == ["train"]


def test_a_backslash_separates_folders(pack, tmp_path):
    unpack(pack([("train\\images\\a.png", b"x"), ("train/b.png", b"y")]), tmp_path / "into")
    assert _files(tmp_path / "into") == {"train/images/a.png": b"x", "train/b.png": b"y"}


@pytest.mark.parametrize(
    "name",
    [
        *("/etc/passwd", "//host/x", "../x", "a/../../x", "a/..", "..", "./../x", "a/.. /x", "..."),
        *("C:\\x", "C:x", "c:/x", "\\x", "\\\\host\\x", "a\\..\\..\\x", "__MACOSX/../../x"),
    ],
)
def test_a_member_that_leads_out_is_refused(pack, name):
    _refused_unread(pack([("good.txt", b"x"), (name, b"x")]), "leads out of the archive")


@pytest.mark.parametrize(
    "names",
    [
        *(("a.png", "A.PNG"), ("x/a.png", "X/b.png"), ("\u00df", "SS"), ("a/b ", "a/b"), ("a./x", "a/y")),
        (unicodedata.normalize("NFC", "\u00c4.png"), unicodedata.normalize("NFD", "\u00e4.png")),
        ("\u03b1\u0345\u0301", "\u03b1\u0301\u0345"),
    ],
)
def test_names_that_a_disk_takes_for_one_are_refused(pack, names):
    _refused_unread(pack([(name, b"x") for name in names]), "falls together with")


@pytest.mark.parametrize("names", [("a", "a"), ("a/b", "a//b"), ("a", "./a"), ("a/b", "a\\b")])
def test_a_name_that_stands_twice_is_refused(pack, names):
    _refused_unread(pack([(name, b"x") for name in names]), "stands twice")


@pytest.mark.parametrize("names", [("a", "a/b"), ("a/b", "a"), ("a/b/c", "a/b")])
def test_a_file_that_is_also_a_folder_is_refused(pack, names):
    _refused_unread(pack([(name, b"x") for name in names]), "as file and as folder")


@pytest.mark.parametrize("name", ["a\n.png", "a\x7f", "\x1b[2J", "a\x85b", "a\u2028b"])
def test_a_name_with_control_characters_is_refused(pack, name):
    _refused_unread(pack([(name, b"x")]), "is no name")


def test_a_name_with_nul_is_refused(tmp_path):
    _refused_unread(_zip(tmp_path / "a.zip", [("a.png\0.exe", b"x")]), "is no name")


@pytest.mark.parametrize("name", ["\u00e4" * 128, "a/" * 500 + "a"])
def test_a_name_too_long_for_disks_is_refused(pack, name):
    _refused_unread(pack([(name, b"x")]), "too long a name")


@pytest.mark.parametrize("name", ["", "."])
def test_a_file_without_a_name_is_refused(pack, name):
    _refused_unread(pack([("a", b"x"), (name, b"x")]), "has no name")


def test_the_folder_itself_may_be_a_member(pack, tmp_path):
    unpack(pack([("./", b"", stat.S_IFDIR), ("./a", b"x")]), tmp_path / "into")
    assert _files(tmp_path / "into") == {"a": b"x"}


@pytest.mark.parametrize(
    ("mode", "what"),
    [(stat.S_IFLNK, "link"), (stat.S_IFCHR, "device"), (stat.S_IFBLK, "device"), (stat.S_IFIFO, "pipe")],
)
def test_links_and_special_files_are_refused(pack, mode, what):
    _refused_unread(pack([("good.txt", b"x"), ("bad", b"", mode | 0o777)]), f"'bad' is a {what}")


def test_a_socket_is_refused(tmp_path):
    _refused_unread(_zip(tmp_path / "a.zip", [("bad", b"", stat.S_IFSOCK)]), "is a socket")


@pytest.mark.parametrize("kind", [tarfile.LNKTYPE, tarfile.CONTTYPE + b"", b"D", b"Z"])
def test_other_tar_members_are_files_or_refused(tmp_path, kind):
    archive = tmp_path / "a.tar"
    with tarfile.open(archive, "w") as opened:
        opened.addfile(_tar_info("a", b"x", type=kind, linkname="/etc/passwd"), io.BytesIO(b"x"))
    if kind == tarfile.CONTTYPE:
        unpack(archive, tmp_path / "into")
        assert _files(tmp_path / "into") == {"a": b"x"}
    else:
        _refused_unread(archive, "'a' is a (link|special file)")


def test_too_many_members_are_refused(pack):
    _refused_unread(pack(IMAGES), "more than 2 members", limits=Limits(members=2))


def test_too_many_bytes_are_refused(pack):
    members = [(str(number), os.urandom(400_000)) for number in range(3)]
    _refused_unread(pack(members), "(more than 1 MB|longer than the limits)", limits=Limits(megabytes=1))


def test_a_small_archive_may_shrink_at_any_ratio(pack, tmp_path):
    unpack(pack([("mask", bytes(5_000_000))]), tmp_path / "into")
    assert (tmp_path / "into" / "mask").stat().st_size == 5_000_000


@pytest.mark.parametrize("kind", ["zip", "tar.gz"])
@pytest.mark.parametrize("sizes", [[11_000_000], [5_000_000] * 3])
def test_an_archive_of_almost_nothing_is_refused(tmp_path, kind, sizes):
    archive = _pack(tmp_path / f"a.{kind}", [(str(number), bytes(size)) for number, size in enumerate(sizes)])
    _refused_unread(archive, "(more than 200 times|longer than the limits)")


def test_a_member_of_almost_nothing_is_refused_in_a_large_zip(tmp_path):
    archive = _zip(tmp_path / "a.zip", [("good", os.urandom(100_000)), ("bad", bytes(11_000_000))])
    _refused_unread(archive, "'bad' unpacks to more than 200 times")


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    "content", [b"", b"<html>", b"PK\x03\x04", b"\x1f\x8b", b"\x1f\x8b\x08\0", bytes(100), b"x" * 600]
)
def test_what_is_no_archive_is_refused(tmp_path, kind, content):
    archive = tmp_path / f"a.{kind}"
    archive.write_bytes(content)
    _refused_unread(archive, "cannot be unpacked as (zip|tar).*get it again")


@pytest.mark.parametrize("kind", KINDS)
def test_a_missing_archive_is_named(tmp_path, kind):
    with pytest.raises(SonotraceError, match=rf"a\.{kind}: .*No such file"):
        unpack(tmp_path / f"a.{kind}", tmp_path / "into")


def test_a_place_that_cannot_be_written_is_named(pack, tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(SonotraceError, match=r"a\.(zip|tar).*: cannot be unpacked to .*file/into \(\w+"):
        unpack(pack(IMAGES), tmp_path / "file" / "into")


def test_an_encrypted_member_is_refused(tmp_path):
    for flag in (0x1, 0x41, 0x2000):
        archive = _forge(_zip(tmp_path / "a.zip", IMAGES), *FLAGS, flag, number=1)
        _refused_unread(archive, "is encrypted; unpack it yourself and put the contents there")


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_methods_that_can_fill_memory_are_refused(tmp_path, method):
    _refused_unread(_zip(tmp_path / "a.zip", IMAGES, method), rf"is packed with method {method}; .*deflate")


def test_an_unknown_method_is_refused(tmp_path):
    _refused_unread(_forge(_zip(tmp_path / "a.zip", IMAGES), *METHOD, 9), "is packed with method 9")


def test_a_folder_that_holds_bytes_is_refused(tmp_path):
    _refused_unread(_zip(tmp_path / "a.zip", [("a/", b"lost")]), "is a folder of 4 bytes")


def test_a_wrong_checksum_is_refused(tmp_path):
    archive = _zip(tmp_path / "a.zip", [("a", b"good"), ("b", b"contents")], zipfile.ZIP_STORED)
    archive.write_bytes(archive.read_bytes().replace(b"contents", b"c0ntents"))
    _refused_while_read(archive, "cannot be unpacked.*CRC.*'b'")


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
@pytest.mark.parametrize("stated", [0, 1, 4, 100])
@pytest.mark.parametrize("summed", [0, 1])
def test_a_member_of_another_length_than_stated_is_refused(tmp_path, method, stated, summed):
    archive = _zip(tmp_path / "a.zip", [("good", b"x"), ("liar", b"contents")], method)
    _forge(archive, *SIZE, stated, number=1)
    _forge(archive, *CRC, zlib.crc32(b"contents"[: stated + summed]), number=1)
    _refused_while_read(archive, "(CRC-32 for file 'liar'|'liar' is not as long as the archive states)")


def test_a_bomb_that_states_a_small_size_is_stopped(tmp_path):
    archive = _forge(_zip(tmp_path / "a.zip", [("bomb", bytes(50_000_000))]), *SIZE, 1000)
    _forge(archive, *CRC, zlib.crc32(bytes(1000)))
    _refused_while_read(archive, "CRC-32 for file 'bomb'")


def test_a_name_that_differs_from_the_directory_is_refused(tmp_path):
    archive = _zip(tmp_path / "a.zip", [("a.png", b"x"), ("b.png", b"y")])
    archive.write_bytes(archive.read_bytes().replace(b"b.png", b"c.png", 1))
    _refused_while_read(archive, "cannot be unpacked.*differ")


def test_members_that_share_bytes_are_refused(tmp_path):
    inner = _zip(tmp_path / "a.zip", [("b", b"shared")], zipfile.ZIP_STORED).read_bytes()
    inner = inner[: inner.index(b"PK\x01\x02")]
    archive = _zip(tmp_path / "a.zip", [("a", inner), ("b", b"shared")], zipfile.ZIP_STORED)
    _refused_unread(_forge(archive, *OFFSET, 31, number=1), "shares its bytes with another")


@pytest.mark.parametrize("offset", [1_000_000, 0xFFFF_FFFE, 70])
def test_a_member_outside_the_zip_is_refused(tmp_path, offset):
    _refused_unread(_forge(_zip(tmp_path / "a.zip", [("a", b"x" * 50)]), *OFFSET, offset), "lies outside the zip")


@pytest.mark.parametrize(
    ("raw", "name"), [("\u00c4 \u6570.png".encode(), "\u00c4 \u6570.png"), (b"\x8e.png", "\u00c4.png")]
)
def test_zip_names_without_a_mark_are_utf8_else_code_page_437(tmp_path, raw, name):
    stand_in = "x" * len(raw)
    archive = _zip(tmp_path / "a.zip", [(stand_in, b"x")], zipfile.ZIP_STORED)
    archive.write_bytes(archive.read_bytes().replace(stand_in.encode(), raw))
    unpack(archive, tmp_path / "into")
    assert _files(tmp_path / "into") == {name: b"x"}


@pytest.mark.parametrize("field", [30, 32], ids=["extra", "comment"])
def test_members_hidden_in_the_zip_directory_are_refused(tmp_path, field):
    hidden = "b/" * 236  # so long that an extra field starting with PK\1\2 holds it to its end
    archive = _zip(tmp_path / "a.zip", [("a", b"x"), (hidden, b"")])
    _refused_unread(_forge(archive, field, "<H", 46 + len(hidden)), "'a' hides other members")


def test_a_zip_after_other_bytes_is_unpacked(tmp_path):
    archive = _zip(tmp_path / "a.zip", IMAGES)
    archive.write_bytes(b"#!/bin/sh\n" * 9 + archive.read_bytes())
    unpack(archive, tmp_path / "into")
    assert _files(tmp_path / "into") == dict(IMAGES)


def test_a_zip_directory_too_large_for_memory_is_refused(tmp_path):
    archive = _zip(tmp_path / "a.zip", [(f"{number:060}", b"") for number in range(10_000)])
    _refused_unread(archive, "longer than the limits", limits=Limits(members=10))


def test_a_tar_name_that_is_not_utf8_is_refused(tmp_path):
    archive = _tar(tmp_path / "a.tar", [("\udce4.png", b"x")], format=tarfile.GNU_FORMAT, errors="surrogateescape")
    _refused_unread(archive, "not UTF-8")


def test_a_damaged_tar_header_is_not_taken_for_the_end(tmp_path):
    archive = _tar(tmp_path / "a.tar", [("a", b"x"), ("b", b"y")])
    raw = bytearray(archive.read_bytes())
    raw[1024] ^= 1
    archive.write_bytes(raw)
    _refused_unread(archive, "cannot be unpacked.*header is damaged")


@pytest.mark.parametrize("length", [1024, 2048, 2100])
def test_a_tar_cut_after_a_member_is_refused(tmp_path, length):
    archive = _tar(tmp_path / "a.tar", [("a", b"x"), ("b", b"y")])
    archive.write_bytes(archive.read_bytes()[:length])
    _refused_unread(archive, "the end is missing")


@pytest.mark.parametrize("size", [-512, -1536])
def test_a_tar_that_leads_back_is_refused(tmp_path, size):
    archive = tmp_path / "a.tar"
    header = _tar_info("a", size=size).tobuf(tarfile.GNU_FORMAT)
    archive.write_bytes(_tar_info("b").tobuf() + header + bytes(1024))
    _refused_unread(archive, f"'a' is a file of {size} bytes")


def test_tar_members_that_share_bytes_are_refused(tmp_path):
    archive = _tar(
        tmp_path / "a.tar", [("a", b"x"), ("b", b"y")], format=tarfile.PAX_FORMAT, pax_headers={"size": "600"}
    )
    _refused_unread(archive, "shares its bytes with another")


def test_a_sparse_tar_member_is_refused(tmp_path):
    sparse = {"GNU.sparse.map": "0,1", "GNU.sparse.size": "9000000"}
    archive = tmp_path / "a.tar"
    with tarfile.open(archive, "w", format=tarfile.PAX_FORMAT) as opened:
        opened.addfile(_tar_info("a", b"x", pax_headers=sparse), io.BytesIO(b"x"))
    _refused_unread(archive, "is a sparse file")


def test_a_sparse_map_cut_short_is_refused(tmp_path):
    header = bytearray(_tar_info("a", type=tarfile.GNUTYPE_SPARSE).tobuf())
    header[482] = 1  # the map goes on in the next block
    header[148:156] = b"%06o\0 " % (sum(header) - sum(header[148:156]) + 8 * 32)
    (tmp_path / "a.tar").write_bytes(header + b"1" * 100)
    _refused_unread(tmp_path / "a.tar", "cannot be unpacked")


@pytest.mark.parametrize("kind", [tarfile.XHDTYPE, tarfile.GNUTYPE_LONGNAME])
def test_a_tar_header_too_large_for_memory_is_refused(tmp_path, kind):
    header = _tar_info("a", size=2_000_000_000, type=kind).tobuf(tarfile.GNU_FORMAT)
    (tmp_path / "a.tar.gz").write_bytes(gzip.compress(header + bytes(10_000)))
    _refused_unread(tmp_path / "a.tar.gz", "longer than the limits")


def test_a_chain_of_tar_headers_is_refused(tmp_path):
    header = _tar_info("a", size=2, type=tarfile.GNUTYPE_LONGNAME).tobuf() + b"b".ljust(512, b"\0")
    (tmp_path / "a.tar").write_bytes(header * 2000)
    _refused_unread(tmp_path / "a.tar", "cannot be unpacked")


def test_a_gzip_stream_without_end_is_refused(tmp_path):
    archive = _tar(tmp_path / "a.tar.gz", IMAGES)
    archive.write_bytes(archive.read_bytes() + gzip.compress(bytes(20_000_000)))
    _refused_unread(archive, "longer than the limits")


def test_a_wrong_gzip_checksum_is_refused(tmp_path):
    archive = _tar(tmp_path / "a.tar.gz", IMAGES)
    raw = bytearray(archive.read_bytes())
    raw[-8] ^= 1
    archive.write_bytes(raw)
    _refused_unread(archive, "cannot be unpacked.*CRC")


def _unpacked_or_untouched(archive):
    """Return the files that an archive gave, or None where it was refused and nothing was touched."""
    into = archive.parent / "into"
    into.mkdir()
    (into / "old").write_text("good")
    try:
        unpack(archive, into)
    except SonotraceError:
        assert _files(into) == {"old": b"good"}
        return None
    finally:
        assert {path.name for path in archive.parent.iterdir()} == {archive.name, "into"}
    assert not any(path.is_symlink() for path in into.rglob("*"))
    return _files(into)


pieces = st.sampled_from(
    [*("..", "/", "\\", "a", "A", "b", "C:", ".", " ", "\n", "\u00e9", "e\u0301", "\u00df", "ss"), "__MACOSX/"]
)


@pytest.mark.parametrize("kind", KINDS)
@given(st.lists(st.lists(pieces, min_size=1, max_size=5).map("".join), min_size=1, max_size=4))
def test_whatever_the_names_all_lands_in_place_or_nothing_is_touched(tmp_path_factory, kind, names):
    folder = tmp_path_factory.mktemp("names")
    members = [(name, str(number).encode()) for number, name in enumerate(names)]
    found = _unpacked_or_untouched(_pack(folder / f"a.{kind}", members))
    expected = {posixpath.normpath(name.replace("\\", "/")): content for name, content in members}
    assert found in (None, {path: content for path, content in expected.items() if path.split("/")[0] != "__MACOSX"})


@pytest.mark.parametrize("kind", KINDS)
@given(st.data())
def test_an_archive_cut_anywhere_is_refused_or_whole(tmp_path_factory, kind, data):
    archive = _pack(tmp_path_factory.mktemp("cut") / f"a.{kind}", IMAGES)
    raw = archive.read_bytes()
    archive.write_bytes(raw[: data.draw(st.integers(0, len(raw) - 1))])
    assert _unpacked_or_untouched(archive) in (None, dict(IMAGES))


@pytest.mark.parametrize("kind", ["zip", "tar.gz"])
@given(st.data())
def test_a_changed_byte_is_found_or_changes_no_file(tmp_path_factory, kind, data):
    archive = _pack(tmp_path_factory.mktemp("changed") / f"a.{kind}", IMAGES)
    raw = bytearray(archive.read_bytes())
    raw[data.draw(st.integers(0, len(raw) - 1))] ^= data.draw(st.integers(1, 255))
    archive.write_bytes(raw)
    assert _unpacked_or_untouched(archive) in (None, dict(IMAGES))
