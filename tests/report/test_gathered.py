"""What gather leaves names no patient, counts what is there, and reads back as it was written."""

import base64
import hashlib
import json

import cv2
import numpy as np
import pytest
import reported

from sonotrace.errors import SonotraceError
from sonotrace.report.gathered import Gathered
from sonotrace.report.pictures import LONGEST, of_file, of_image
from sonotrace.tables import read_table


def test_neither_patients_nor_files_are_named(checkout):
    for path in (checkout / "data/for-report").glob("*.json"):
        content = path.read_text()
        assert reported.PATIENT not in content
        assert reported.FILE_MARK not in content


def test_they_are_named_where_that_was_asked_for(tmp_path):
    reported.make(tmp_path / "c", data_sets=("planes",), patients="shown", images=8)
    page = reported.report(tmp_path / "c")
    assert f"{reported.PATIENT}planes0" in page
    assert f"{reported.FILE_MARK}planes0000" in page
    assert f"{reported.PATIENT}9 is no plane" in page


def test_a_code_leads_back_to_the_image(checkout, gathered):
    split = read_table(checkout / "data/planes/split/split.csv")
    codes = {case["code"] for case in gathered["planes"]["cases"]}
    assert codes
    assert codes <= set(split["sha256"].str[:10])


def test_images_of_one_patient_are_of_the_same_number(checkout, gathered):
    split = read_table(checkout / "data/planes/split/split.csv")
    patients = dict(zip(split["sha256"].str[:10], split["patient"], strict=True))
    numbers = {}
    for case in gathered["planes"]["cases"]:
        numbers.setdefault(patients[case["code"]], set()).add(case["patient"])
    assert all(len(found) == 1 for found in numbers.values())
    assert len({number for found in numbers.values() for number in found}) == len(numbers)


def test_every_test_image_is_counted(gathered):
    assert sum(count for row in gathered["planes"]["confusion"].values() for count in row.values()) == 40
    assert sum(tally["boxes"] for tally in gathered["structures"]["detections"].values()) == 120
    sides = {(one["by"], one["side"]): 0 for one in gathered["planes"]["counts"]}
    for one in gathered["planes"]["counts"]:
        sides[one["by"], one["side"]] += one["images"]
    assert sides["class", "train"] == sides["scanner", "train"] == 80


def test_out_of_scope_shows_its_own_images_alone(checkout, gathered):
    own = set(read_table(checkout / "data/strange/split/split.csv")["sha256"].str[:10])
    assert gathered["strange"]["cases"]
    assert {case["code"] for case in gathered["strange"]["cases"]} <= own
    assert all(case["in_scope"] for case in gathered["strange"]["cases"])


def test_hashes_are_those_of_the_files(checkout, gathered):
    for one in gathered.values():
        for file in one["files"]:
            assert hashlib.md5((checkout / file["path"]).read_bytes()).hexdigest() == file["md5"]  # noqa: S324
    stages = {file["path"]: file["stage"] for file in gathered["abroad"]["files"]}
    assert stages["models/planes.keras"] == "train_cnn@planes"
    assert stages["data/abroad/evaluate/predictions.csv"] == "evaluate@abroad"


def test_the_quarantine_has_pictures_where_images_can_be_read_and_details_that_name_nobody(gathered):
    found = {row["reason"]: row for row in gathered["planes"]["set_apart"]}
    assert found["unreadable image"]["detail"] == "damaged or cut short"
    assert found["unreadable image"]["picture"] == ""
    assert found["unknown label"]["picture"]
    assert found["unknown label"]["detail"] == ""
    assert found["row without image"]["code"] == ""


def test_it_reads_back_as_it_was_written(checkout):
    for path in (checkout / "data/for-report").glob("*.json"):
        assert Gathered.read(path).json() == path.read_text()


def test_a_missing_file_says_what_makes_it(tmp_path):
    with pytest.raises(SonotraceError, match=r"for-report/planes\.json: not there; run `dvc repro`"):
        Gathered.read(tmp_path / "for-report/planes.json")


def test_pictures_are_small_and_always_the_same(tmp_path):
    image = np.random.default_rng(1).integers(0, 255, (800, 600)).astype(np.uint8)
    content = base64.b64decode(of_image(image))
    decoded = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_UNCHANGED)
    assert decoded.shape == (LONGEST, 270)
    assert of_image(image) == of_image(image.copy())
    (tmp_path / "bad.png").write_bytes(b"no image")
    assert of_file(tmp_path / "bad.png") == of_file(tmp_path / "absent.png") == ""


def test_gathering_twice_gives_the_same_bytes(checkout, tmp_path):
    before = {path.name: path.read_bytes() for path in (checkout / "data/for-report").glob("*.json")}
    reported.make(tmp_path / "again", folds=True)
    reported.report(tmp_path / "again")
    after = {path.name: path.read_bytes() for path in (tmp_path / "again/data/for-report").glob("*.json")}
    assert after == before
    assert (tmp_path / "again/reports/index.html").read_bytes() == (checkout / "reports/index.html").read_bytes()
    assert json.loads(after["planes.json"])["cases"]
