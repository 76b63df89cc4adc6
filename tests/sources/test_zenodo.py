"""A record comes as it was pinned: the very files, downloaded once, from the one address that is named."""

import hashlib
import io
import json
import logging
import shutil
import zipfile

import pooch
import pytest
from servers import Reply, Server, page, ranged

from sonotrace.errors import SonotraceError
from sonotrace.sources import Pin, Request, zenodo
from sonotrace.sources.transfer import download

RECORD = 3904280


def _zip(members):
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return made.getvalue()


TABLE = b"Image_name;Plane\na;Fetal brain\n"
ARCHIVE = _zip({"FETAL_PLANES_DB_data.csv": TABLE, "Images/a.png": b"\x89png" * 1000})
FILES = {"FETAL_PLANES_ZENODO.zip": ARCHIVE}


def _md5(content):
    return f"md5:{hashlib.md5(content).hexdigest()}"  # noqa: S324 - what Zenodo gives


@pytest.fixture(autouse=True)
def waits(monkeypatch):
    """Record pauses instead of making them."""
    recorded = []
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    for function in (download.download, download.get_json):
        monkeypatch.setitem(function.__kwdefaults__, "wait", recorded.append)
    return recorded


@pytest.fixture
def server():
    with Server() as running:
        yield running


def _described(address, files, **more):
    """Describe a record as Zenodo does."""
    return {
        "id": RECORD,
        "conceptrecid": "3904279",
        "links": {
            "self": f"{address}/api/records/{RECORD}",
            "latest": f"{address}/api/records/{RECORD}/versions/latest",
        },
        "metadata": {"title": "FETAL_PLANES_DB", "license": {"id": "cc-by-4.0"}, "publication_date": "2020-06-22"},
        "files": [
            {
                "key": key,
                "size": len(content),
                "checksum": _md5(content),
                "links": {"self": f"{address}/api/records/{RECORD}/files/{key}/content"},
            }
            for key, content in files.items()
        ],
        **more,
    }


def _json(content, **more):
    return Reply(json.dumps(content).encode(), kind="application/json", **more)


def _publish(server, files=FILES, **more):
    server.on(f"/api/records/{RECORD}", _json(_described(server.url, files, **more)))
    for key, content in files.items():
        server.on(f"/records/{RECORD}/files/{key}", ranged(content, f'"{_md5(content)}"'))


def _request(folder, server, pin=None, **params):
    settings = {"record": RECORD, "address": server.url, "max_megabytes": 1, "max_minutes": 5, **params}
    into = folder / "into"
    shutil.rmtree(into, ignore_errors=True)
    into.mkdir()
    return Request(
        "planes", "planes", folder / "data/zenodo/planes", settings, into, folder / "keep", pin, 1, lambda _: None
    )


def _pin(files=FILES, version=f"record {RECORD}"):
    archives = {name: _md5(content) for name, content in files.items()}
    return Pin(version, "sha256:0", "cc-by-4.0", archives=archives)


def _contents(folder):
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def _kept(folder):
    return {path.name for path in (folder / "keep").rglob("*") if path.is_file()}


def _refused(request, reason):
    with pytest.raises(SonotraceError, match=rf"^[^\n]*{reason}[^\n]*; [^\n]+$") as caught:
        zenodo.fetch(request)
    return str(caught.value)


UNPACKED = {"FETAL_PLANES_DB_data.csv": TABLE, "Images/a.png": b"\x89png" * 1000}


# What a fetch brings


def test_a_record_is_fetched_with_its_checksums_and_licence(tmp_path, server):
    _publish(server)
    snapshot = zenodo.fetch(_request(tmp_path, server))
    assert _contents(snapshot.folder) == UNPACKED
    assert snapshot.version == "record 3904280"
    assert snapshot.licence == "cc-by-4.0"
    assert snapshot.archives == {"FETAL_PLANES_ZENODO.zip": _md5(ARCHIVE)}
    assert not snapshot.preprocessing
    assert server.paths() == ["/api/records/3904280", "/records/3904280/files/FETAL_PLANES_ZENODO.zip"]


def test_a_pinned_record_is_fetched_without_asking_what_it_holds(tmp_path, server):
    _publish(server)
    snapshot = zenodo.fetch(_request(tmp_path, server, _pin()))
    assert _contents(snapshot.folder) == UNPACKED
    assert snapshot.licence == "cc-by-4.0"
    assert snapshot.archives == _pin().archives
    assert server.paths() == ["/records/3904280/files/FETAL_PLANES_ZENODO.zip"]


def test_a_second_fetch_needs_no_network(tmp_path, server):
    _publish(server)
    zenodo.fetch(_request(tmp_path, server, _pin()))
    server.stop()
    assert _contents(zenodo.fetch(_request(tmp_path, server, _pin())).folder) == UNPACKED


def test_several_archives_get_a_folder_each_and_files_go_beside(tmp_path, server):
    files = {"a.zip": _zip({"x": b"1"}), "b.ZIP": _zip({"x": b"2"}), "table ä.csv": TABLE}
    _publish(server, files)
    server.on(f"/records/{RECORD}/files/table ä.csv", Reply(TABLE, kind="text/plain; charset=utf-8"))
    folder = zenodo.fetch(_request(tmp_path, server)).folder
    assert _contents(folder) == {"a/x": b"1", "b/x": b"2", "table ä.csv": TABLE}


def test_a_file_and_a_zip_do_not_overwrite_each_other(tmp_path, server):
    _publish(server, {"a.zip": _zip({"x.csv": b"1"}), "x.csv": b"2"})
    _refused(_request(tmp_path, server), "x.csv: a zip of the same record holds that name")


@pytest.mark.parametrize(
    ("metadata", "licence"),
    [({"license": "cc-zero"}, "cc-zero"), ({}, ""), ({"license": {"id": None}}, ""), (None, "")],
)
def test_the_licence_is_what_the_record_says(tmp_path, server, metadata, licence):
    _publish(server, metadata=metadata)
    assert zenodo.fetch(_request(tmp_path, server)).licence == licence


def test_pooch_tells_no_paths(tmp_path, server, caplog, capsys):
    _publish(server)
    pooch.get_logger().setLevel(logging.INFO)
    pooch.get_logger().addHandler(caplog.handler)
    caplog.set_level(logging.DEBUG)
    zenodo.fetch(_request(tmp_path, server))
    pooch.get_logger().removeHandler(caplog.handler)
    told = caplog.text + "".join(capsys.readouterr())
    assert str(tmp_path) not in told
    assert server.url not in told


# Trouble on the way


def test_a_cut_download_goes_on(tmp_path, server, waits):
    whole = ranged(ARCHIVE, '"v1"')
    cut = Reply(ARCHIVE, headers={"ETag": '"v1"'}, cut=len(ARCHIVE) // 2)
    server.on("/records/3904280/files/FETAL_PLANES_ZENODO.zip", cut, Reply(status=503), whole)
    assert _contents(zenodo.fetch(_request(tmp_path, server, _pin())).folder) == UNPACKED
    assert server.asked[2].headers["range"] == f"bytes={len(ARCHIVE) // 2}-"
    assert waits == [2, 4]
    assert _kept(tmp_path) == {"FETAL_PLANES_ZENODO.zip"}


def test_a_later_pull_goes_on(tmp_path, server):
    path = "/records/3904280/files/FETAL_PLANES_ZENODO.zip"
    server.on(path, Reply(ARCHIVE, headers={"ETag": '"v1"'}, cut=len(ARCHIVE) // 2), Reply(status=404))
    _refused(_request(tmp_path, server, _pin()), "status 404")
    server.on(path, ranged(ARCHIVE, '"v1"'))
    assert _contents(zenodo.fetch(_request(tmp_path, server, _pin())).folder) == UNPACKED
    assert server.asked[-1].headers["range"] == f"bytes={len(ARCHIVE) // 2}-"


@pytest.mark.parametrize("left", [ARCHIVE[:-1], b"", bytes(len(ARCHIVE))])
def test_a_damaged_file_left_by_a_killed_pull_is_fetched_anew(tmp_path, server, left):
    _publish(server)
    zenodo.fetch(_request(tmp_path, server, _pin()))
    (kept,) = (tmp_path / "keep").rglob("*.zip")
    kept.write_bytes(left)
    kept.with_name("tmpab1_2xyz").write_bytes(b"pooch's own")
    kept.with_name(kept.name + ".part").write_bytes(b"of no known version")
    assert _contents(zenodo.fetch(_request(tmp_path, server, _pin())).folder) == UNPACKED
    assert _kept(tmp_path) == {"FETAL_PLANES_ZENODO.zip"}


def test_a_wrong_file_is_not_kept(tmp_path, server):
    _publish(server)
    server.on("/records/3904280/files/FETAL_PLANES_ZENODO.zip", Reply(b"other"))
    message = _refused(_request(tmp_path, server), "FETAL_PLANES_ZENODO.zip: checksum")
    assert f"checksum {_md5(b'other')} instead of {_md5(ARCHIVE)}" in message
    assert _kept(tmp_path) == set()


def test_a_length_stated_too_short_is_noticed(tmp_path, server):
    _publish(server)
    server.on("/records/3904280/files/FETAL_PLANES_ZENODO.zip", Reply(ARCHIVE, length=len(ARCHIVE) - 1))
    _refused(_request(tmp_path, server), "checksum")
    assert _kept(tmp_path) == set()


def test_limits_are_those_of_the_parameters(tmp_path, server):
    _publish(server)
    _refused(_request(tmp_path, server, _pin(), max_megabytes=0), "over the limit of 0 MB")
    server.on("/records/3904280/files/FETAL_PLANES_ZENODO.zip", Reply(status=429, headers={"Retry-After": "70"}))
    _refused(_request(tmp_path, server, _pin(), max_minutes=1.0), "limit of 1 minutes")


@pytest.mark.parametrize("name", ["FETAL.zip", "page.html", "page"])
def test_a_web_page_is_not_taken_for_a_file(tmp_path, server, name):
    server.on(f"/records/3904280/files/{name}", page())
    _refused(_request(tmp_path, server, _pin({name: page().body})), "web page")


# Records that are not what they should be


def test_a_missing_record_is_named(tmp_path, server):
    assert _refused(_request(tmp_path, server), "status 404").startswith("Zenodo record 3904280: ")


def test_the_number_for_all_versions_is_refused(tmp_path, server):
    server.on("/api/records/3904279", Reply(status=301, headers={"Location": "/api/records/3904280"}))
    _publish(server)
    _refused(_request(tmp_path, server, record=3904279), r"pull.planes.zenodo.record: 3904279 leads to record 3904280")


def test_a_pin_of_another_record_is_refused_before_the_download(tmp_path, server):
    _refused(_request(tmp_path, server, _pin(version="record 1")), "pins record 1, but .* record 3904280")
    assert server.asked == []


@pytest.mark.parametrize(
    ("archives", "said"),
    [({}, "its pin names no archives"), ({"a.zip": None}, "checksum None of 'a.zip' makes no sense")],
)
def test_a_pin_without_usable_archives_is_refused(tmp_path, server, archives, said):
    pin = Pin("record 3904280", "sha256:0", archives=archives)
    _refused(_request(tmp_path, server, pin), said)
    assert server.asked == []


@pytest.mark.parametrize("files", [None, [], {}])
def test_a_record_without_files_is_refused(tmp_path, server, files):
    server.on("/api/records/3904280", _json(_described(server.url, {}) | {"files": files}))
    _refused(_request(tmp_path, server), "lists no files")


@pytest.mark.parametrize(
    "answer",
    [
        [],
        {},
        {"id": "x"},
        {"id": RECORD, "files": [{"key": "a.zip"}]},
        {"id": RECORD, "files": {"entries": {}}},
        {"id": RECORD, "files": [{"key": "a.zip", "checksum": "md5:"}]},
        {"id": RECORD, "files": [{"key": "a.zip", "checksum": "crc32:00000000"}]},
    ],
)
def test_an_answer_that_makes_no_sense_is_refused(tmp_path, server, answer):
    server.on("/api/records/3904280", _json(answer))
    _refused(_request(tmp_path, server), "makes no sense")


@pytest.mark.parametrize(
    "name",
    ["../a.zip", "/etc/a.zip", "a/b.zip", "a\\b.zip", "..", ".hidden", "", "C:a.zip", "a\n.zip", "a.part", "a" * 300],
)
def test_a_hostile_file_name_is_refused(tmp_path, server, name):
    _publish(server, {name: ARCHIVE})
    _refused(_request(tmp_path, server), "no safe file name")
    _refused(_request(tmp_path, server, _pin({name: ARCHIVE})), "no safe file name")
    assert _contents(tmp_path) == {}


def test_names_that_meet_in_one_file_are_refused(tmp_path, server):
    _publish(server, {"a.zip": ARCHIVE, "A.zip": ARCHIVE})
    _refused(_request(tmp_path, server), "no safe file name")


def test_links_that_lead_elsewhere_are_not_followed(tmp_path, server):
    with Server() as other:
        described = _described(other.url, FILES)
        _publish(server)
        server.on("/api/records/3904280", _json(described))
        zenodo.fetch(_request(tmp_path, server))
    assert other.asked == []


# The newest version


def test_the_newest_version_is_told_beside_the_one_in_use(tmp_path, server):
    server.on("/api/records/3904280/versions/latest", Reply(status=301, headers={"Location": "/api/records/4000000"}))
    server.on("/api/records/4000000", _json({"id": "4000000"}))
    assert zenodo.newest(_request(tmp_path, server)) == ("record 3904280", "record 4000000")


def test_the_record_in_use_may_be_the_newest(tmp_path, server):
    server.on("/api/records/3904280/versions/latest", _json({"id": 3904280}))
    assert zenodo.newest(_request(tmp_path, server)) == ("record 3904280", "record 3904280")


def test_an_unknown_record_has_no_newest_version(tmp_path, server):
    with pytest.raises(SonotraceError, match=r"^Zenodo record 3904280: status 404[^\n]*$"):
        zenodo.newest(_request(tmp_path, server))
