"""The page says what the files say, first where the models fail; it names nobody and loads nothing."""

import json
import re
import shutil
import subprocess
import sys
import time
from html.parser import HTMLParser

import numpy as np
import pytest
import reported
import yaml
from packed import packed

from sonotrace.images.packs import stored_in
from sonotrace.report.words import figure, structure
from sonotrace.running.outputs import write_csv
from sonotrace.tables import read_table

ORDER = ("fails", "scores", "data", "training", "limits", "sources")


class _Elements(HTMLParser):
    def __init__(self):
        super().__init__()
        self.found = []

    def handle_starttag(self, tag, attributes):
        self.found.append((tag, dict(attributes)))


def _elements(page):
    reader = _Elements()
    reader.feed(page)
    return reader.found


def test_its_parts_come_in_order_failures_first(page):
    ids = [attributes["id"] for tag, attributes in _elements(page) if tag == "section"]
    assert ids == list(ORDER)


def test_it_holds_all_it_needs(page):
    assert len(page.encode()) < 10_000_000
    for tag, attributes in _elements(page):
        assert tag not in ("link", "iframe", "object", "embed", "base")
        assert not {"src", "srcset", "style", "onclick"} & attributes.keys(), tag
        address = attributes.get("href", "#")
        assert address.startswith(("#", "data:image/jpeg;base64,")), address
    assert "url(" not in page
    assert "@import" not in page


def test_no_patient_and_no_file_is_named(page):
    assert reported.PATIENT not in page
    assert reported.FILE_MARK not in page
    assert "Patients and files are not named" in page


def test_what_the_snapshot_says_is_text_and_never_code(page):
    assert "&lt;/script&gt;" in page
    assert page.count("<script>") == page.count("</script>") == 1
    assert 'alert("x")' not in page


def test_it_says_who_reviewed_labels(page):
    assert page.count("<dt>Labels reviewed</dt><dd>A. Lovelace, 2026-11-26: 2 relabelled</dd>") == 1


def test_its_links_lead_to_places_on_it(page):
    elements = _elements(page)
    ids = [attributes["id"] for _, attributes in elements if "id" in attributes]
    assert len(ids) == len(set(ids))
    links = {attributes["href"][1:] for tag, attributes in elements if tag in ("a", "use")}
    assert links <= set(ids)
    assert len(links) > 60


def test_each_score_is_there_with_its_interval_and_its_file(checkout, page):
    for name in reported.ALL:
        detail = json.loads((checkout / f"metrics/{name}_detail.json").read_text())
        for score, found in detail["overall"].items():
            if found["value"] is not None:
                assert f'<td class="n">{figure(found["value"], score)}</td>' in page
        assert f'<a href="#file-metrics-{name}_detail-json">' in page


def test_it_says_what_of_it_is_drawn_and_what_it_is_not_for(page):
    assert "The images of structures are drawn" in page
    limits = page[page.index('id="limits"') : page.index('id="sources"')]
    assert "Not for diagnosis" in limits
    assert re.search(r"Of 40 images that show no such plane \(strange\), the model gave [\d.]+\xa0% one anyway", limits)
    assert "measured elsewhere on abroad." in limits


def test_folds_changes_cohorts_and_quarantine_are_there(page):
    for text in ("Over all folds", "Accuracy by fold: 1: 61.0\xa0%", "On changed images", "elsewhere: Macro F1"):
        assert text in page
    assert page.count("damaged or cut short") == 4
    assert "1 of withdrawn patients left out" in page
    assert "<code>train_cnn.planes.epochs</code><small>passes over the training images" in page


def test_how_tight_boxes_are_stands_beside_their_scores(page, checkout):
    found = json.loads((checkout / "metrics/structures_localisation.json").read_text())
    part = page[page.index("How tight the boxes are") :]
    part = part[: part.index("</details>")]
    for name in ("all", "CSP", "MIDLINE_FALX"):
        row = part[part.index(f'<th scope="row">{structure(name)}</th>') :]
        row = row[: row.index("</tr>")]
        for values in (found["ap_by_iou"]["0.75"], found["recall_by_false_boxes"]["1"], found["distance_px"]):
            assert f"{values[name]['value']:.3f}" in row or f"{100 * values[name]['value']:.1f}" in row
    assert "How many false boxes does it cost to find them?" in page


@pytest.mark.parametrize("data_sets", [("planes",), ("structures",), ("planes", "abroad"), ("planes", "strange")])
def test_it_is_made_of_whatever_data_sets_there_are(tmp_path, data_sets):
    reported.make(tmp_path / "c", data_sets=data_sets, images=8)
    page = reported.report(tmp_path / "c")
    assert [name for name in reported.ALL if f'id="fails-{name}"' in page] == list(data_sets)


def test_of_weights_somewhere_on_the_machine_only_the_name_is_shown(tmp_path):
    reported.make(tmp_path / "c", data_sets=("planes",), images=8)
    path = tmp_path / "c/params.yaml"
    start = {"weights": "/home/someone/start.keras", "weights_sha256": "5" * 64}
    params = yaml.safe_load(path.read_text())
    params["train_cnn"]["planes"] |= start
    path.write_text(yaml.safe_dump(params))
    page = reported.report(tmp_path / "c")
    assert "/home/someone" not in page
    assert page.count("start.keras") >= 3


def test_curves_of_several_trainings_are_told_apart(tmp_path):
    reported.make(tmp_path / "c", data_sets=("planes",), images=8)
    plots = tmp_path / "c/plots"
    assert "Trained on its own labels" not in reported.report(tmp_path / "c")
    shutil.copytree(plots / "train_cnn/planes", plots / "train_distilled/planes")
    page = reported.report(tmp_path / "c")
    assert page.index("<h4>Trained on its own labels</h4>") < page.index(
        "<h4>Trained on what the nets of the folds say"
    )
    assert "plots/train_distilled/planes</a>, written by train_distilled@planes" in page


def test_a_model_without_errors_has_none_to_show(tmp_path):
    reported.make(tmp_path / "c", data_sets=("planes",), images=8)
    path = tmp_path / "c/data/planes/evaluate/predictions.csv"
    header, *rows = path.read_text().splitlines()
    fields = [row.split(",") for row in rows]
    path.write_text("\n".join([header, *(",".join([*f[:3], f[2], "-1", "true", *f[6:]]) for f in fields)]) + "\n")
    page = reported.report(tmp_path / "c")
    assert "No errors on the test images." in page
    assert "It names 8 of 8 test images" in page


def test_it_is_made_within_ten_seconds_without_tensorflow_and_torch(checkout, tmp_path):
    shutil.copytree(checkout, tmp_path / "c")
    code = (
        "import sys; from sonotrace.stages import report; report.run(); "
        "assert not {'tensorflow', 'torch', 'keras', 'ultralytics', 'sklearn'} & set(sys.modules)"
    )
    began = time.monotonic()
    subprocess.run([sys.executable, "-c", code], cwd=tmp_path / "c", check=True, capture_output=True)
    assert time.monotonic() - began < 10


def test_many_images_stay_below_ten_megabytes(tmp_path):
    reported.make(tmp_path / "c", data_sets=("planes", "structures", "abroad"), images=400)
    for name in ("planes", "structures", "abroad"):  # pictures as large as they come
        _enlarge(tmp_path / "c/data" / name / "prepare/images")
    page = reported.report(tmp_path / "c")
    assert 5_000_000 < len(page.encode()) < 10_000_000
    assert "Picture left out" in page


def _enlarge(folder):
    noise = np.random.default_rng(1).integers(0, 255, (360, 360)).astype(np.uint8)
    packed(folder, dict.fromkeys(stored_in(folder), noise), "zz")  # of two packs with an image, the last one counts


def test_a_head_without_structures_in_which_none_was_found_is_right(tmp_path):
    top = tmp_path / "c"
    reported.make(top, data_sets=("structures",), images=8)
    split = read_table(top / "data/structures/split/split.csv")
    image = split.loc[split["side"] == "test", "image"].iloc[0]
    for path in (top / "data/structures/prepare/boxes.csv", top / "data/structures/evaluate/predictions.csv"):
        table = read_table(path)
        write_csv(table[table["image"] != image], path)
    assert "All found, none false" in reported.report(top)
