"""A snapshot is known by its files' names and bytes, and a remote source is held to its pin."""

import hashlib
import os
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sonotrace.errors import SonotraceError
from sonotrace.intake import pins
from sonotrace.running.item_cache import ItemCache
from sonotrace.sources import Snapshot

CONTENTS = st.dictionaries(st.text("abc/", min_size=1, max_size=4), st.sampled_from("0123"), max_size=6)


def _lay_out(folder, files):
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    return folder


FILES = {"train/images/a.jpg": b"1", "train/labels/a.txt": b"0 .5 .5 .1 .1", "data.yaml": b"names: [CSP]"}


def test_content_is_every_file_but_read_mes_and_hidden_ones(tmp_path):
    _lay_out(tmp_path, FILES | {"README.roboflow.txt": b"exported on 2026-01-01", ".DS_Store": b"x"})
    assert pins.contents(tmp_path, 2) == {name: hashlib.sha256(FILES[name]).hexdigest() for name in sorted(FILES)}


def test_the_fingerprint_is_that_of_sha256sums_output(tmp_path):
    _lay_out(tmp_path, FILES)
    lines = [f"{hashlib.sha256(FILES[name]).hexdigest()}  {name}\n" for name in sorted(FILES)]
    expected = hashlib.sha256("".join(lines).encode()).hexdigest()
    assert pins.fingerprint(pins.contents(tmp_path, 1)) == f"sha256:{expected}"


def test_times_and_permissions_do_not_count(tmp_path):
    one, other = _lay_out(tmp_path / "one", FILES), _lay_out(tmp_path / "other", FILES)
    for path in other.rglob("*.*"):
        os.utime(path, (0, 0))
        path.chmod(0o600)
    assert pins.contents(one, 1) == pins.contents(other, 1)


def test_of_a_coco_file_the_date_does_not_count_but_labels_do(tmp_path):
    texts = [
        '{"info": {"date_created": "2026-01-01"}, "annotations": [1]}',
        '{"info": {"date_created": "2026-02-02"}, "annotations": [1]}',
        '{"info": {"date_created": "2026-01-01"}, "annotations": [2]}',
        "[]",
    ]
    found = [
        pins.contents(_lay_out(tmp_path / str(at), {"train/_annotations.coco.json": text.encode()}), 1)
        for at, text in enumerate(texts)
    ]
    assert found[0] == found[1]
    assert len({str(content) for content in found}) == 3


@given(CONTENTS, CONTENTS)
def test_equal_fingerprints_and_no_differences_are_the_same(old, new):
    found = pins.differences(old, new)
    assert bool(found) is (old != new)
    assert (pins.fingerprint(old) == pins.fingerprint(new)) is (old == new)
    assert set(found.added) | set(found.changed) == {name for name in new if old.get(name) != new[name]}
    assert set(found.removed) == set(old) - set(new)


@pytest.fixture
def pinned(tmp_path):
    """Pin FILES of version `w/p/1`; return the folder of the pin and the content."""
    content = pins.contents(_lay_out(tmp_path / "content", FILES), 1)
    snapshot = Snapshot(tmp_path / "content", version="w/p/1", licence="CC BY 4.0", augmentation={"blur": 2.5})
    pins.write(tmp_path / "origin", snapshot, content)
    return tmp_path / "origin", content


def test_a_pin_reads_back_as_it_was_written(pinned):
    origin, content = pinned
    pin = pins.read(origin)
    assert (pin.version, pin.licence, pin.augmentation) == ("w/p/1", "CC BY 4.0", {"blur": 2.5})
    assert pins.read_files(origin) == content
    assert pin.fingerprint == pins.fingerprint(content)


def test_the_same_content_passes(pinned, tmp_path):
    origin, content = pinned
    pins.hold("structures", origin, pins.read(origin), Snapshot(tmp_path, version="w/p/1"), content)


def test_other_content_of_the_same_version_stops_and_names_the_files(pinned, tmp_path):
    origin, content = pinned
    other = {name: sha for name, sha in content.items() if name != "data.yaml"} | {"train/labels/a.txt": "0" * 64}
    with pytest.raises(SonotraceError) as raised:
        pins.hold("structures", origin, pins.read(origin), Snapshot(tmp_path, version="w/p/1"), other)
    message = str(raised.value)
    assert "1 removed (data.yaml), 1 changed (train/labels/a.txt)" in message
    assert "`sonotrace pin structures`" in message
    assert "\n" not in message


def test_another_version_than_the_pinned_one_stops(pinned, tmp_path):
    origin, content = pinned
    with pytest.raises(
        SonotraceError, match=r"pins w/p/1, but params.yaml asks for w/p/2; run `sonotrace pin structures`"
    ):
        pins.hold("structures", origin, pins.read(origin), Snapshot(tmp_path, version="w/p/2"), content)


def test_an_empty_pin_is_no_pin(tmp_path):
    assert pins.read(tmp_path) is None
    (tmp_path / "pin.json").write_text("{}\n")
    assert pins.read(tmp_path) is None


@pytest.mark.parametrize("text", ["", "[]", "<<<<<<< HEAD", '{"version": "1"}', '{"version": "1", "fingerprint": 2}'])
def test_a_damaged_pin_is_named(tmp_path, text):
    (tmp_path / "pin.json").write_text(text)
    with pytest.raises(SonotraceError, match=r"pin\.json: not a pin; restore it with git"):
        pins.read(tmp_path)


@pytest.fixture
def known(tmp_path):
    """Open what is known of files, as pull does; each call is another run."""
    top = tmp_path / "repository"
    (top / ".dvc").mkdir(parents=True)
    (top / ".dvc/config").write_text("")
    return lambda: ItemCache("sha256", [pins], None, top)


def _aged(folder):
    """Give all files a time in the past, and let the clock of the file system go on."""
    for path in folder.rglob("*.*"):
        os.utime(path, ns=(10**18, 10**18))
    return folder


def _hashed(folder, known):
    """Return the content that is told with what is known, and how many files were read for it."""
    with known() as cache:
        content = pins.contents(folder, 2, cache)
    assert content == pins.contents(folder, 1)
    return cache.made


@pytest.fixture
def settled(monkeypatch):
    monkeypatch.setattr(pins, "SETTLED", 0)


@pytest.mark.usefixtures("settled")
def test_a_file_that_nobody_wrote_to_is_not_read_again(tmp_path, known):
    at = _aged(_lay_out(tmp_path / "content", FILES))
    assert [_hashed(at, known) for _ in range(3)] == [3, 0, 0]


@pytest.mark.parametrize("linked", [False, True])
@pytest.mark.parametrize("how", ["in place", "in place, time set back", "replaced", "time set back", "another link"])
@pytest.mark.usefixtures("settled")
def test_a_file_of_other_bytes_is_read_again(tmp_path, known, how, linked):
    at = _aged(_lay_out(tmp_path / "content", FILES))
    file = at / "train/images/a.jpg"
    if linked:  # as backups are made, too
        os.link(file, tmp_path / "object")
    assert _hashed(at, known) == 3
    time.sleep(0.05)  # until the clock of the file system has gone on
    if how.startswith("in place"):
        file.write_bytes(b"2")
    else:
        file.unlink()
        file.write_bytes(b"2")
    if how in {"in place, time set back", "time set back", "another link"}:
        os.utime(file, ns=(10**18, 10**18))
    if how == "another link":  # as `dvc checkout` of another state does
        os.link(file, tmp_path / "other object")
    assert _hashed(at, known) == 1


@pytest.mark.usefixtures("settled")
def test_links_into_the_cache_are_not_read_again(tmp_path, known):
    at = _aged(_lay_out(tmp_path / "content", FILES))
    for number, file in enumerate(sorted(at.rglob("*.*"))):
        os.link(file, tmp_path / f"object{number}")
        file.chmod(0o444)  # as DVC protects what it links
    assert _hashed(at, known) == 3
    for number, file in enumerate(sorted(at.rglob("*.*"))):
        os.link(file, tmp_path / f"output{number}")  # this changes the file's ctime
    assert _hashed(at, known) == 0


def test_a_file_just_written_is_read_again(tmp_path, known):
    at = _lay_out(tmp_path / "content", FILES)
    assert [_hashed(at, known) for _ in range(2)] == [0, 0]
    (at / "data.yaml").write_bytes(b"names: [CSX]")
    assert _hashed(at, known) == 0


@pytest.mark.parametrize("content", [b"file,sha256\n\xff,1\n", b"file,sha256\n" + b"a" * 200_000, b"a,b\n1,2\n"])
def test_a_damaged_table_of_files_is_an_error_that_names_it(tmp_path, content):
    (tmp_path / "files.csv").write_bytes(content)
    with pytest.raises(SonotraceError, match=r"files\.csv: not a table of file and sha256"):
        pins.read_files(tmp_path)


def test_a_coco_file_nested_too_deeply_is_known_by_its_bytes(tmp_path):
    content = b"[" * 50_000
    _lay_out(tmp_path, {"_annotations.coco.json": content})
    assert pins.contents(tmp_path, 1) == {"_annotations.coco.json": hashlib.sha256(content).hexdigest()}


def test_an_image_whose_name_begins_with_readme_is_content(tmp_path):
    _lay_out(tmp_path, {"README_1.png": b"1", "README.dcm": b"2", "README.txt": b"3"})
    assert list(pins.contents(tmp_path, 1)) == ["README.dcm", "README_1.png"]
