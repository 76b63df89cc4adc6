"""A decision is in the table at once, pull applies it, and deleting it brings back the very same bytes."""

from datetime import date
from pathlib import Path

import cv2
import numpy as np
import pytest
from fastapi.testclient import TestClient

from sonotrace.params import load
from sonotrace.review.cases import cases
from sonotrace.review.service import service
from sonotrace.stages import pull
from sonotrace.tables import read_table

TABLE = Path("data/corrections.csv")


def _client():
    params = load()
    app = service(
        "planes",
        params.kind("planes"),
        cases("planes", params, Path("audit")),
        Path("data/planes/pull/images"),
        "A. Lovelace",
        secret="s",  # noqa: S106
        today=lambda: date(2026, 11, 26),
    )
    return TestClient(app, base_url="http://127.0.0.1/s/")


def _decide(client, sha256, new, note=""):
    return client.put("decision", json={"sha256": sha256, "new": new, "note": note})


def _outputs():
    return {path: path.read_bytes() for path in sorted(Path().glob("data/planes/*/*.csv"))}


def test_a_decision_changes_what_is_pulled_and_undo_brings_everything_back(doubted, pulled, rerun, capsys):
    before, table = _outputs(), TABLE.read_bytes()
    client = _client()
    first, test, error, _ = client.get("cases").json()["cases"]
    assert _decide(client, first["sha256"], "other", " cut \n off ").json()["outcome"] == "relabelled"
    assert _decide(client, test["sha256"], "left out").json()["outcome"] == "left out"
    assert _decide(client, error["sha256"], error["label"]).json()["outcome"] == "confirmed"
    pull.run("planes")
    said = capsys.readouterr().out
    assert (
        "pull: reviewed by A. Lovelace, 2026-11-26: 1 confirmed, 1 left out, 1 relabelled (data/corrections.csv)"
        in said
    )
    manifest = read_table(Path("data/planes/pull/manifest.csv")).set_index("image")
    assert manifest.loc[doubted["first"], "label"] == "other"
    assert manifest.loc[doubted["first"], "labelled_by"] == f"corrections.csv:{first['sha256'][:12]}"
    assert (manifest["labelled_by"] != read_table(_manifest(before)).set_index("image")["labelled_by"]).sum() == 1
    rerun()
    assert doubted["first"] in list(read_table(Path("data/planes/validate/out_of_scope.csv"))["image"])
    (apart,) = read_table(Path("data/planes/validate/quarantine.csv")).to_dict("records")
    assert (apart["image"], apart["reason"]) == (doubted["test"], "left out in a review")
    assert ",cut off\n" in TABLE.read_text()
    for image in (first, test, error):
        assert client.delete(f"decision/{image['sha256']}").status_code == 200
    assert TABLE.read_bytes() == table
    rerun()
    changed = [path for path, content in _outputs().items() if before.get(path) != content]
    assert changed == []
    assert list(pulled.index) == list(read_table(Path("data/planes/split/split.csv"))["image"])


def _manifest(outputs):
    path = Path("before.csv")
    path.write_bytes(outputs[Path("data/planes/pull/manifest.csv")])
    return path


def test_a_decision_that_was_applied_can_be_changed_again(doubted):  # noqa: ARG001 - makes the doubts
    client = _client()
    first = client.get("cases").json()["cases"][0]
    _decide(client, first["sha256"], next(name for name in ("brain", "femur") if name != first["label"]))
    pull.run("planes")
    _decide(client, first["sha256"], "thorax")
    pull.run("planes")
    row = read_table(Path("data/planes/pull/manifest.csv")).set_index("image").loc[first["image"]]
    assert row["label"] == "thorax"


def test_the_image_shown_is_the_one_that_was_pulled(doubted):
    client = _client()
    first = client.get("cases").json()["cases"][0]
    shown = cv2.imdecode(np.frombuffer(client.get(f"image/{first['sha256']}").content, np.uint8), cv2.IMREAD_GRAYSCALE)
    own = cv2.imread(f"data/incoming/planes/{doubted['first']}.png", cv2.IMREAD_GRAYSCALE)
    assert np.array_equal(shown, own)


@pytest.mark.parametrize(
    ("sha256", "new"), [("0" * 64, "brain"), (None, "knee"), (None, ""), ("../../params.yaml", "brain")]
)
def test_what_cannot_be_meant_is_refused_and_nothing_written(doubted, sha256, new):  # noqa: ARG001
    table, client = TABLE.read_bytes(), _client()
    answer = _decide(client, sha256 or client.get("cases").json()["cases"][0]["sha256"], new)
    assert answer.status_code == 422
    assert TABLE.read_bytes() == table


def test_without_the_secret_or_by_another_name_there_is_nothing(doubted):  # noqa: ARG001
    client = _client()
    for path in ("/", "/cases", "/x/cases", "/docs", "/openapi.json"):
        assert client.get(f"http://127.0.0.1{path}").status_code == 404
    assert client.get("cases", headers={"Host": "evil.example"}).status_code == 400
    assert client.get(f"image/{'0' * 64}").status_code == 404


@pytest.mark.parametrize("body", [b'{"sha256": NaN, "new": Infinity}', b'{"sha256": "\\ud800"}', b"\xff", b"[1]", b"{"])
def test_a_body_that_cannot_be_quoted_is_refused_in_one_line(doubted, body):  # noqa: ARG001 - makes the doubts
    answer = _client().put("decision", content=body, headers={"Content-Type": "application/json"})
    assert answer.status_code in (400, 422)
    assert answer.json()["detail"].isprintable()
    assert _client().put("decision", content=body).status_code in (400, 422)
