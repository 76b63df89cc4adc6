"""Every item of both guidelines is there once: answered with numbers and files, or left to the author."""

import contextlib
import json
import re

import pytest
import reported

from sonotrace.export import checklist
from sonotrace.export.checklist import ANSWERS
from sonotrace.export.checklists.items import CLAIM, TRIPOD


@pytest.fixture(scope="module")
def written(checkout, tmp_path_factory):
    out = tmp_path_factory.mktemp("out") / "checklist.md"
    with contextlib.chdir(checkout):
        checklist.write(checkout, out)
    return out.read_text()


def _numbers(part):
    rows = re.findall(r"^\| (\d+[a-g]?) \|", part, re.MULTILINE)
    return rows, re.findall(r"^- \[ \] \*\*(\d+[a-g]?)\*\*", part, re.MULTILINE)


def test_claim_has_44_items_and_tripod_27():
    assert [item.number for item in CLAIM] == [str(number) for number in range(1, 45)]
    assert sorted({int(item.number.rstrip("abcdefg")) for item in TRIPOD}) == list(range(1, 28))
    assert len({item.number for item in TRIPOD}) == len(TRIPOD)


@pytest.mark.parametrize(("title", "items"), [("CLAIM 2024", CLAIM), ("TRIPOD+AI", TRIPOD)])
def test_each_item_is_filled_in_or_the_authors(written, title, items):
    part = written.split(f"## {title}")[1].split("\n## ")[0]
    filled, left = _numbers(part)
    assert sorted(filled + left) == sorted(item.number for item in items)
    assert len(filled) > len(items) / 2
    complete, partly, open_ = map(int, re.search(r"(\d+) filled in, (\d+) filled in in part, (\d+) for", part).groups())
    assert (complete + partly, open_) == (len(filled), len(left))


def test_what_only_people_know_is_left_to_them(written):
    claim, tripod = written.split("## TRIPOD+AI")
    assert {"2", "16", "18", "34", "44"} <= set(_numbers(claim)[1])
    assert {"17", "18a", "18b", "19"} <= set(_numbers(tripod)[1])


def test_answers_have_numbers_and_files_that_are_there(checkout, written):
    files = set(re.findall(r"`((?:data|metrics|models|plots|reports)/[^`]+)`", written))
    assert {"metrics/planes_detail.json", "metrics/planes_groups.json", "metrics/planes_robustness.json"} <= files
    assert [file for file in files if not (checkout / file).exists()] == []
    assert "measured on 12 images, 4 patients" in written
    assert "abroad (cohort" in written


def test_every_answer_is_asked_for_and_every_item_asks_for_one_that_there_is():
    asked = {name for item in CLAIM + TRIPOD for name in item.answers}
    assert asked == set(ANSWERS)


def test_without_scanners_and_sites_differences_between_centres_are_the_authors(tmp_path):
    top = tmp_path / "checkout"
    reported.make(top, data_sets=("planes",), images=6)
    path = top / "metrics/planes_groups.json"
    groups = json.loads(path.read_text())
    for by in ("scanner", "site"):
        groups[by] = {"not stated": groups["label"]["brain"]}
    groups["worst"] = {"by": "label", "group": "brain", **groups["label"]["brain"]}
    path.write_text(json.dumps(groups))
    reported.report(top)
    reported.record(top)
    with contextlib.chdir(top):
        checklist.write(top, tmp_path / "checklist.md")
    left = _numbers((tmp_path / "checklist.md").read_text().split("## TRIPOD+AI")[1])[1]
    assert {"12d", "23b"} <= set(left)


def test_it_names_neither_patients_nor_images(written):
    assert reported.PATIENT not in written
    assert reported.FILE_MARK not in written
