"""The model card says what the recorded files say, names nobody, and refuses a workspace that is not as recorded."""

import contextlib
import json
import shutil

import pytest
import reported
import yaml

from sonotrace.errors import SonotraceError
from sonotrace.export import card
from sonotrace.report.words import figure


@pytest.fixture(scope="module")
def written(checkout, tmp_path_factory):
    out = tmp_path_factory.mktemp("out") / "card.md"
    with contextlib.chdir(checkout):
        card.write(checkout, out)
    return out.read_text()


def test_it_has_the_sections_of_a_model_card(written):
    sections = [line.removeprefix("## ") for line in written.splitlines() if line.startswith("## ")]
    assert sections == [
        "Model details", "Intended use", "Uses that are out of scope", "Factors", "Metrics", "Data",
        "Quantitative analyses", "Ethical considerations", "Caveats",
    ]  # fmt: skip


def test_scores_have_their_intervals_and_their_file_with_its_hash(checkout, written):
    for name in reported.ALL:
        detail = json.loads((checkout / f"metrics/{name}_detail.json").read_text())
        for score, found in detail["overall"].items():
            if found["value"] is not None:
                value, low = (figure(found[part], score).replace("\xa0", " ") for part in ("value", "low"))
                assert f"| {value} | {low} to" in written
    stages = yaml.safe_load((checkout / "dvc.lock").read_text())["stages"].values()
    hashes = {out["path"]: out["md5"] for stage in stages for out in stage["outs"]}
    for path in ("metrics/planes_detail.json", "models/planes.keras", "reports/strange/snapshot.json"):
        assert f"`{path}` (md5 {hashes[path]})" in written


def test_it_says_who_reviewed_labels(written):
    assert written.count("| labels reviewed: A. Lovelace, 2026-11-26 | 2 relabelled |") == 1


def test_it_names_neither_patients_nor_images(written):
    assert reported.PATIENT not in written
    assert reported.FILE_MARK not in written


def test_names_of_the_snapshot_cannot_be_markup(written):
    assert reported.HOSTILE not in written
    assert "&lt;/script>" in written


def test_tables_have_as_many_cells_in_every_row(written):
    for block in written.split("\n\n"):
        rows = [line for line in block.splitlines() if line.startswith("| ")]
        assert len({line.replace("\\|", "").count("|") for line in rows}) <= 1, block


def test_two_exports_are_equal(checkout, tmp_path, written):
    with contextlib.chdir(checkout):
        card.write(checkout, tmp_path / "again.md")
    assert (tmp_path / "again.md").read_text() == written


def test_it_refuses_what_is_not_as_recorded(checkout, tmp_path):
    altered = tmp_path / "altered"
    shutil.copytree(checkout, altered)
    path = altered / "data/for-report/planes.json"
    path.write_text(path.read_text() + " ")
    with contextlib.chdir(altered), pytest.raises(SonotraceError, match=r"for-report/planes\.json: altered"):
        card.write(altered, tmp_path / "card.md")
    (tmp_path / "card.md").write_text("mine")
    with contextlib.chdir(checkout), pytest.raises(SonotraceError, match="is there already"):
        card.write(checkout, tmp_path / "card.md")
    assert (tmp_path / "card.md").read_text() == "mine"
