"""The page in a real browser, from the command to the table, by keyboard alone."""

import csv
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from sonotrace import cli

playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed; `make setup` does it")
axe = pytest.importorskip("axe_playwright_python.base", reason="axe is not installed; `make setup` does it")

BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
pytestmark = pytest.mark.skipif(BROWSER is None, reason="no Chromium on PATH; your distribution has one to install")
REVIEW = [sys.executable, "-m", "sonotrace", "review"]
ENV = os.environ | {"PYTHONPATH": str(Path(cli.__file__).parents[2])}


@pytest.fixture
def address(doubted):  # noqa: ARG001 - makes the doubts
    start = [*REVIEW, "--port", "0", "--reviewer", "A. Lovelace"]
    with subprocess.Popen(start, env=ENV, stdout=subprocess.PIPE, text=True) as server:
        line = next(line for line in server.stdout if line.startswith("review: "))
        assert line.startswith("review: 4 images of planes; open http://127.0.0.1:")
        yield re.search(r"http://\S+", line)[0]
        server.terminate()


@pytest.fixture
def opened(address):
    asked, said = [], []
    arguments = ["--no-sandbox"] if os.geteuid() == 0 else []
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=BROWSER, args=arguments)
        page = browser.new_page(viewport={"width": 375, "height": 812}, color_scheme="dark")
        page.on("request", lambda request: asked.append(request.url))
        page.on("console", lambda message: said.append(message.text))
        page.on("pageerror", lambda error: said.append(str(error)))
        page.goto(address)
        playwright.expect(page.locator("#case")).to_be_visible()
        yield page
        browser.close()
    assert [one for one in asked if not one.startswith((address, "data:"))] == []
    assert [one for one in said if "422" not in one] == []


def _rows():
    with Path("data/corrections.csv").open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


def test_labels_are_decided_by_keyboard_and_each_decision_can_be_taken_back(opened, doubted):
    count, name = opened.locator("#count"), opened.locator("#name")
    playwright.expect(count).to_have_text("0 of 4 decided; image 1 of 4")
    assert name.inner_text() == doubted["first"]
    assert opened.locator("#pictures img").count() == 2
    assert opened.locator("#test").is_hidden()
    assert "other" not in opened.locator("#reasons, #suggested").all_inner_texts()
    opened.keyboard.press("s")
    assert opened.locator("#suggested").inner_text() == "other"
    opened.keyboard.press("n")
    opened.keyboard.type("cut off, x 2")
    opened.keyboard.press("Enter")
    opened.keyboard.press("6")
    playwright.expect(count).to_have_text("1 of 4 decided; image 1 of 3")
    (row,) = _rows()
    assert (row["new"], row["reviewer"], row["note"]) == ("other", "A. Lovelace", "cut off, x 2")
    assert name.inner_text() == doubted["test"]
    assert opened.locator("#test").is_visible()
    opened.keyboard.press("x")
    playwright.expect(count).to_have_text("2 of 4 decided; image 1 of 2")
    opened.keyboard.press("ArrowRight")
    opened.keyboard.press("Enter")
    playwright.expect(count).to_have_text("3 of 4 decided; image 1 of 1")
    assert sorted(row["new"] == row["old"] for row in _rows()) == [False, False, True]
    opened.keyboard.press("u")
    playwright.expect(count).to_have_text("2 of 4 decided; image 1 of 2")
    assert len(_rows()) == 2
    opened.locator("#which").select_option("all")
    playwright.expect(count).to_have_text("2 of 4 decided; image 4 of 4")


def test_a_decision_that_cannot_be_written_is_said_on_the_page(opened):
    Path("data/corrections.csv").unlink()
    opened.keyboard.press("x")
    playwright.expect(opened.locator("#decided")).to_contain_text("Not written: data/corrections.csv: not there")
    Path("data/corrections.csv").write_text("data_set,sha256,old,new,reviewer,date,note\n")


def test_axe_finds_nothing_serious_and_a_phone_shows_it_all(opened):
    opened.evaluate(axe.AXE_FILE_PATH.read_text(encoding="utf-8"))
    found = opened.evaluate("axe.run()")
    assert found["passes"]
    assert [one["id"] for one in found["violations"] if one["impact"] in ("serious", "critical")] == []
    assert opened.evaluate("document.documentElement.scrollWidth") <= 375


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["knees"], "error: params.yaml: no data set 'knees'; use one of planes, structures"),
        (["--reviewer", "A", "--audit", "gone"], "error: review: nothing says which images of planes to look at; run"),
    ],
)
def test_what_is_missing_is_one_line(pulled, arguments, said):  # noqa: ARG001 - makes the tables
    done = subprocess.run([*REVIEW, *arguments], env=ENV, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith(said)
    assert done.stderr.count("\n") == 1
