"""A version at Roboflow is fetched whole or not at all, and the key is never seen."""

import io
import json
import os
import subprocess
import sys
import traceback
import warnings
import zipfile
from pathlib import Path

import pytest
from fake_roboflow import SIGNATURE, FakeRoboflow

from sonotrace.errors import SonotraceError
from sonotrace.intake import pins
from sonotrace.kinds.structures import STRUCTURES
from sonotrace.labels import structures
from sonotrace.sources import Pin, Request, roboflow

PIN = Pin("w/p/2 yolov8", "sha256:0", "CC0", {"auto-orient": True})
KEY = FakeRoboflow.key
ARCHIVE = "hospital-fetal-head-2-yolov8.zip"


@pytest.fixture(autouse=True)
def fake(monkeypatch, tmp_path_factory):
    """Serve, with the package pointed there and the key in the environment."""
    monkeypatch.setattr(warnings, "formatwarning", warnings.formatwarning)
    monkeypatch.setenv("HOME", str(tmp_path_factory.mktemp("home")))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.delenv("ROBOFLOW_CONFIG_DIR", raising=False)
    monkeypatch.setenv("PYTHON_DOTENV_DISABLED", "1")
    with FakeRoboflow() as served:
        monkeypatch.setenv("API_URL", served.url)
        monkeypatch.setenv("ROBOFLOW_API_KEY", served.key)
        from roboflow.config import refresh_region_urls

        refresh_region_urls()
        yield served


@pytest.fixture(autouse=True)
def nothing_leaks(tmp_path, capfd):
    """Neither the key nor a signature is printed or written, and only pull speaks."""
    yield
    printed = capfd.readouterr()
    assert not printed.err
    assert all(line.startswith(("Roboflow", str(tmp_path))) for line in printed.out.splitlines())
    written = b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
    for secret in (KEY, SIGNATURE):
        assert secret not in printed.out
        assert secret.encode() not in written


@pytest.fixture
def waited():
    """The pauses that were made, in seconds."""
    return []


@pytest.fixture
def fetch(tmp_path, waited):
    """Fetch into a new folder, without pausing."""

    def call(pin=None, *, into="into", data_set="structures", **params):
        (tmp_path / into).mkdir()
        return roboflow.fetch(_request(tmp_path, pin, into, data_set, **params), wait=waited.append)

    return call


def _request(folder, pin=None, into="into", data_set="structures", **params):
    settings = {"workspace": "hospital", "project": "fetal-head", "version": 2, "format": "yolov8"}
    settings |= {"max_megabytes": 10, "max_minutes": 1} | params
    return Request(
        data_set, data_set, folder / "origin", settings, folder / into, folder / "keep", pin, 1, lambda _: None
    )


def _refused(call, message):
    """Check that it fails with one line that neither holds a secret nor leads to one; return it."""
    with pytest.raises(SonotraceError, match=rf"\A[^\n]*{message}[^\n]*\Z") as caught:
        call()
    error: BaseException | None = caught.value
    while error:
        shown = repr(error) + "".join(traceback.format_exception(error))
        assert not any(secret in shown for secret in (KEY, SIGNATURE, "?api_key", "http://127"))
        error = error.__cause__ or error.__context__
    return str(caught.value)


def _kept(folder):
    return sorted(path.name for path in (folder / "keep").glob("*") if not path.name.endswith(".json"))


def test_a_version_is_fetched_with_what_it_says_about_itself(fetch, tmp_path):
    snapshot = fetch()
    listed = structures.read_snapshot(snapshot.folder, {}, "structures").entries
    assert snapshot.folder == tmp_path / "into"
    assert len(listed) == 22
    assert {box.structure for entry in listed for box in entry.boxes} == set(STRUCTURES)
    assert snapshot.version == "hospital/fetal-head/2 yolov8"
    assert snapshot.licence == "CC BY 4.0"
    assert json.dumps(snapshot.preprocessing) == (
        '{"auto-orient": true, "resize": {"format": "Stretch to", "height": 640, "width": 640}}'
    )
    assert json.dumps(snapshot.augmentation) == (
        '{"blur": {"pixels": 1.5}, "image": {"versions": 2}, "rotate": {"degrees": 15}}'
    )
    assert _kept(tmp_path) == [ARCHIVE]


def test_a_version_without_processing_says_so(fake, fetch):
    fake.fields = {"preprocessing": None, "augmentation": {}}
    snapshot = fetch()
    assert (snapshot.preprocessing, snapshot.augmentation) == ({}, {})


def test_a_version_with_text_that_no_pin_could_hold_is_refused(fake, fetch):
    fake.fields = {"preprocessing": {"note": "\ud800"}}
    _refused(fetch, "an answer that is not its own")


@pytest.mark.parametrize(("data_set", "form"), [("structures", "coco"), ("planes", "folder")])
def test_other_formats_state_their_licence_too(fetch, data_set, form):
    snapshot = fetch(data_set=data_set, format=form)
    assert snapshot.version == f"hospital/fetal-head/2 {form}"
    assert snapshot.licence == "CC BY 4.0"


def test_an_export_without_a_licence_has_none(fetch, monkeypatch, fake):
    monkeypatch.setattr(fake, "_make", _bare)
    assert fetch().licence == ""


def _bare(*_):
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        archive.writestr("data.yaml", "names: [CSP]\nroboflow:\n")
    return content.getvalue()


def test_the_package_is_left_as_it_was(fetch):
    from roboflow.util import http

    before = http.get, http.post
    fetch()
    assert (http.get, http.post) == before


def test_two_zips_of_one_version_are_one_content(fetch, tmp_path):
    first = pins.contents(fetch().folder, 1)
    zipped = (tmp_path / "keep" / ARCHIVE).read_bytes()
    assert pins.contents(fetch(into="again").folder, 1) == first
    assert (tmp_path / "keep" / ARCHIVE).read_bytes() != zipped


def test_one_changed_label_is_another_content(fake, fetch):
    first = pins.contents(fetch().folder, 1)
    fake.changed_label = True
    changed = pins.differences(first, pins.contents(fetch(into="again").folder, 1))
    assert len(changed.changed) == 1
    assert not changed.added + changed.removed


def test_an_export_in_the_making_is_waited_for(fake, fetch, waited, capfd):
    fake.polls = 4
    fetch()
    assert waited == [1, 2, 4, 8]
    assert capfd.readouterr().out.splitlines()[:4] == [
        f"Roboflow is making the export, {share} %" for share in (20, 25, 33, 50)
    ]


def test_progress_that_stands_still_is_said_once(fake, fetch, waited, capfd):
    fake.generating = 3
    fetch()
    assert len(waited) == 3
    assert capfd.readouterr().out.count("Roboflow is making the version, 25 %\n") == 1


def test_an_export_that_takes_too_long_is_given_up(fake, fetch):
    fake.polls = 99
    _refused(
        lambda: fetch(max_minutes=0), r"params.yaml: pull.structures.roboflow.max_minutes: .*export, 1 %; .*raise it"
    )


@pytest.mark.parametrize("trouble", [500, 503, "cut"])
def test_a_passing_trouble_is_tried_again(fake, fetch, waited, trouble):
    fake.api = ["ok", trouble, trouble, trouble]
    fetch()
    assert waited == [1, 2, 4]


def test_a_silent_server_is_not_waited_for_for_ever(fake, fetch, waited, monkeypatch):
    monkeypatch.setattr(roboflow, "_CONNECT_AND_READ", (0.2, 0.2))
    fake.api = ["hang"]
    fetch()
    assert waited == [1]


def test_a_busy_server_is_given_the_time_it_asks_for(fake, fetch, waited):
    fake.api, fake.retry_after = [429, 429], "7"
    fetch()
    assert waited == [7, 7]


def test_a_busy_server_that_asks_for_too_much_is_left_alone(fake, fetch, waited):
    fake.api, fake.retry_after = [429], "3600"
    _refused(fetch, r"\(429\); pull again in 3600 s")
    assert not waited


@pytest.mark.parametrize(
    ("trouble", "message"),
    [
        (429, r"fewer requests \(429\); pull again"),
        (500, r"server fails \(500\); pull again later"),
        ("cut", "cannot be reached; check the network"),
    ],
)
def test_a_lasting_trouble_is_told(fake, fetch, waited, trouble, message):
    fake.api = [trouble] * 99
    _refused(fetch, message)
    assert len(waited) == 4


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"workspace": "hopsital"},
            r"structures.roboflow.workspace: Roboflow knows no workspace hopsital \(404\); take",
        ),
        ({"project": "fetal-haed"}, r"structures.roboflow.project: Roboflow knows no project fetal-haed \(404\); take"),
        ({"version": 3}, r"structures.roboflow.version: 3 is no version of hospital/fetal-head; it has: 1, 2, 5"),
        (
            {"format": "wordperfect"},
            r"structures.roboflow.format: Roboflow refuses the wordperfect export of version 2 \(400\); try",
        ),
    ],
)
def test_what_is_not_there_is_named(fetch, change, message):
    _refused(lambda: fetch(**change), message)


@pytest.mark.parametrize("key", ["rf-Not-The-Key", "rf-NOT-THE-KEY"[3:]])
def test_a_wrong_key_is_told(fetch, monkeypatch, key):
    monkeypatch.setenv("ROBOFLOW_API_KEY", key)
    assert key not in _refused(fetch, r"key may not read (any|workspace hospital).* \(401\); set ROBOFLOW_API_KEY")


@pytest.mark.parametrize("status", [401, 403])
def test_a_key_of_another_workspace_is_told(fake, fetch, status):
    fake.api = ["ok", "ok", status]
    _refused(
        fetch, rf"key may not read project fetal-head \({status}\); set ROBOFLOW_API_KEY .*, or mend .*roboflow.project"
    )


def test_a_login_page_is_no_answer(fake, fetch):
    fake.api = ["ok", "html"]
    _refused(fetch, "an answer that is not its own .*; check for a proxy")


def test_an_answer_without_a_link_is_no_answer(fake, fetch, monkeypatch):
    monkeypatch.setattr(fake, "_export", lambda *_: (200, {"version": {}}))
    _refused(fetch, "an answer that is not its own .KeyError.")


def test_without_network_that_is_said(fake, fetch):
    fake.__exit__()
    _refused(fetch, "cannot be reached; check the network")


@pytest.mark.parametrize(
    ("scheme", "message"),
    [("gopher", "cannot be asked; check API_URL"), ("https", "no secure connection; set REQUESTS")],
)
def test_an_address_that_cannot_be_spoken_to_is_told(fake, fetch, waited, monkeypatch, scheme, message):
    monkeypatch.setenv("API_URL", fake.url.replace("http", scheme))
    from roboflow.config import refresh_region_urls

    refresh_region_urls()
    _refused(fetch, message)
    assert not waited


def test_a_proxy_that_is_not_there_is_told(fetch, waited, monkeypatch):
    monkeypatch.setenv("NO_PROXY", "")
    monkeypatch.setenv("no_proxy", "")
    for name in ("http_proxy", "HTTP_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    _refused(fetch, "the proxy does not let us through; check HTTPS_PROXY")
    assert not waited


@pytest.mark.parametrize("key", [None, "", " \n"])
def test_without_a_key_it_is_said_how_to_give_one(fake, fetch, monkeypatch, key):
    monkeypatch.delenv("ROBOFLOW_API_KEY")
    if key is not None:
        monkeypatch.setenv("ROBOFLOW_API_KEY", key)
    _refused(fetch, "Roboflow: no key; set ROBOFLOW_API_KEY .*or run `roboflow auth login`")
    assert not fake.asked


@pytest.mark.parametrize("named", [True, False])
def test_the_key_may_stand_in_roboflows_own_file(fake, fetch, monkeypatch, tmp_path_factory, named):
    own = tmp_path_factory.mktemp("own") / "roboflow.json" if named else Path.home() / ".config/roboflow/config.json"
    own.parent.mkdir(parents=True, exist_ok=True)
    own.write_text(
        json.dumps({"workspaces": {"x": {"url": "hospital", "apiKey": fake.key}}, "RF_WORKSPACE": "hospital"})
    )
    monkeypatch.delenv("ROBOFLOW_API_KEY")
    if named:
        monkeypatch.setenv("ROBOFLOW_CONFIG_DIR", str(own))
    assert fetch().version


@pytest.mark.parametrize(
    "content", ['{"workspaces": {"x": {"apiKey": "rf-Key-0f-The-Fake"', "[1]", '{"RF_WORKSPACE": "x"}']
)
def test_an_unusable_file_of_roboflows_is_named(fetch, monkeypatch, tmp_path_factory, content):
    own = tmp_path_factory.mktemp("own") / "roboflow.json"
    own.write_text(content)
    monkeypatch.delenv("ROBOFLOW_API_KEY")
    monkeypatch.setenv("ROBOFLOW_CONFIG_DIR", str(own))
    _refused(fetch, r"own\d/roboflow.json: no usable Roboflow configuration .*; set ROBOFLOW_API_KEY")


@pytest.mark.parametrize("trouble", [["cut"], ["cut", "cut"], [429], [500, "cut"]])
def test_a_download_that_stumbles_arrives_whole(fake, fetch, trouble):
    whole = pins.contents(fetch().folder, 1)
    fake.download = trouble
    assert pins.contents(fetch(into="again").folder, 1) == whole


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"download": ["html"] * 9}, r"Roboflow hospital/fetal-head/2 yolov8: .*web page instead"),
        ({"download": ["short"]}, "cannot be unpacked"),
        ({"download": [404]}, "404"),
        ({"download": [500] * 9}, "500"),
        ({"hostile": True}, "outside.txt.*leads out of the archive"),
        ({"api": ["ok"] * 5 + [500] * 9}, "500"),
    ],
)
def test_a_failure_leaves_what_was_kept(fake, fetch, tmp_path, change, message):
    fetch()
    kept = (tmp_path / "keep" / ARCHIVE).read_bytes()
    for name, value in change.items():
        setattr(fake, name, value)
    _refused(lambda: fetch(into="again"), message)
    assert _kept(tmp_path) == [ARCHIVE]
    assert (tmp_path / "keep" / ARCHIVE).read_bytes() == kept
    assert not list((tmp_path / "again").iterdir())
    assert not (tmp_path / "outside.txt").exists()


def test_a_download_over_the_limit_is_refused(fetch):
    _refused(lambda: fetch(max_megabytes=0), "max_megabytes")


def test_a_pinned_snapshot_that_was_kept_needs_neither_network_nor_key(fake, fetch, monkeypatch):
    first = pins.contents(fetch().folder, 1)
    asked = len(fake.asked)
    monkeypatch.delenv("ROBOFLOW_API_KEY")
    snapshot = fetch(PIN, into="again")
    assert len(fake.asked) == asked
    assert pins.contents(snapshot.folder, 1) == first
    assert snapshot.version == "hospital/fetal-head/2 yolov8"
    assert (snapshot.licence, snapshot.preprocessing, snapshot.augmentation) == ("CC0", {"auto-orient": True}, {})


def test_a_pinned_snapshot_says_the_same_when_it_is_fetched_anew(fetch):
    fresh, kept = fetch(PIN), fetch(PIN, into="again")
    assert (fresh.licence, fresh.preprocessing) == (kept.licence, kept.preprocessing) == ("CC0", {"auto-orient": True})


def test_pinning_anew_asks_anew(fake, fetch):
    fetch()
    fake.changed_label = True
    assert "0.31" in (fetch(into="again").folder / f"train/labels/000_HC_png.rf.{0:032x}.txt").read_text()


def test_another_version_or_format_is_another_archive(fetch, tmp_path):
    fetch()
    fetch(PIN, into="b", version=5)
    fetch(PIN, into="c", format="coco")
    assert len(_kept(tmp_path)) == 3


@pytest.mark.parametrize("damaged", [b"", b"<html>", None])
def test_a_damaged_archive_is_fetched_anew(fetch, tmp_path, damaged):
    whole = pins.contents(fetch().folder, 1)
    kept = tmp_path / "keep" / ARCHIVE
    kept.write_bytes(kept.read_bytes()[:-40] if damaged is None else damaged)
    assert pins.contents(fetch(PIN, into="again").folder, 1) == whole
    assert zipfile.is_zipfile(kept)


def test_the_newest_version_is_found_by_its_number(fake, tmp_path):
    fake.versions = [2, 10, 9]
    assert roboflow.newest(_request(tmp_path)) == ("hospital/fetal-head/2", "hospital/fetal-head/10")
    assert not any("yolov8" in path for path in fake.asked)
    assert not list(tmp_path.iterdir())


def test_the_newest_of_a_deleted_version_is_still_found(tmp_path):
    assert roboflow.newest(_request(tmp_path, version=4)) == ("hospital/fetal-head/4", "hospital/fetal-head/5")


def test_a_project_without_versions_has_no_newest(fake, tmp_path):
    fake.versions = []
    _refused(lambda: roboflow.newest(_request(tmp_path)), "hospital/fetal-head has no version; make one")


PROGRAM = """
import os, warnings
from pathlib import Path
from sonotrace.errors import SonotraceError
from sonotrace.sources import Request, roboflow

shown = warnings.formatwarning
settings = dict(workspace="hospital", project="fetal-head", version=2, format="yolov8", max_megabytes=10, max_minutes=1)
request = Request("structures", "structures", Path("o"), settings, Path("into"), Path("keep"), None, 1, lambda _: None)
try:
    print("pull: fetched", roboflow.fetch(request).version)
except SonotraceError as error:
    print("pull:", error)
assert warnings.formatwarning is shown
assert "FROM_DOTENV" not in os.environ
"""


def _program(folder, **environment):
    home = folder / "home"
    home.mkdir()
    inherited = {name: os.environ[name] for name in os.environ.keys() - {"ROBOFLOW_API_KEY", "PYTHON_DOTENV_DISABLED"}}
    result = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        cwd=folder,
        env=inherited | {"HOME": str(home)} | environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert not result.stderr
    assert not list(home.iterdir())
    return result.stdout


def test_a_process_of_its_own_prints_nothing_else_and_writes_nothing_at_home(fake, tmp_path):
    fake.polls = 1
    assert _program(tmp_path, ROBOFLOW_API_KEY=fake.key).splitlines() == [
        "Roboflow is making the export, 50 %",
        "pull: fetched hospital/fetal-head/2 yolov8",
    ]


def test_the_package_reads_no_env_file(tmp_path):
    (tmp_path / ".env").write_text("ROBOFLOW_API_KEY=rf-Another-Key\nFROM_DOTENV=1\n")
    assert "no key" in _program(tmp_path)
