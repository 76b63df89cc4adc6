"""The page and the terminal say the same, and the page can be read offline."""

import re
from html.parser import HTMLParser

import pytest
from markupsafe import escape
from states import PARAMETERS, noisy, row, rows, tables

from sonotrace.compare import words
from sonotrace.compare.comparison import Comparison, State, compare
from sonotrace.compare.page import LABEL, WIDTH, chart, page
from sonotrace.compare.settings import Change, Settings
from sonotrace.compare.text import show


@pytest.fixture
def comparison(project):
    """Compare two states that differ in data, scores and a parameter that looks like HTML."""
    images = rows(40)
    project.state("a", tables("planes", images), metrics=True)
    after = [row(0, label="thorax"), row(1, side="train"), *noisy(images, 1, 0.7)[2:-2], row(50, scanner="<b>New</b>")]
    project.state(
        "b", tables("planes", after), metrics=True, parameters=PARAMETERS | {"x": "<script>alert(1)</script>"}
    )
    return compare("a", "b", project.top)[0]


class _Page(HTMLParser):
    def __init__(self):
        super().__init__()
        self.open, self.tags, self.links = [], set(), []

    def handle_starttag(self, tag, attributes):
        self.tags.add(tag)
        self.links += [value for name, value in attributes if name in {"src", "href", "srcset", "data", "action"}]
        if tag not in {"meta", "line", "circle"}:
            self.open.append(tag)

    def handle_endtag(self, tag):
        if tag in self.open:
            assert self.open.pop() == tag


def test_the_page_needs_nothing_else_and_runs_nothing(comparison):
    text = page(comparison)
    read = _Page()
    read.feed(text)
    assert read.open == []
    assert read.links == []
    assert not {"script", "link", "img", "iframe"} & read.tags
    assert not re.search(r"url\(|@import|https?:", text)
    assert "&lt;script&gt;alert(1)" in text
    assert "&lt;b&gt;New" in text


def test_the_page_is_the_same_for_the_same_comparison(comparison, project):
    assert page(comparison) == page(compare("a", "b", project.top)[0])
    assert str(project.top) not in page(comparison)


def test_page_and_terminal_say_all_sentences_and_cells(comparison, capsys):
    show(comparison)
    printed = capsys.readouterr().out
    text = page(comparison)
    for section in words.sections(comparison):
        for sentence in section.sentences:
            assert sentence in printed
            assert str(escape(sentence)) in text
        for table in section.tables:
            assert table.title in printed
            for cell in (cell for cells in table.rows for cell in cells if "<" not in cell):
                assert f">{cell}</td>" in text
    assert "planes: macro_f1: worse" in printed
    assert "Warning: 1 patient (1 image in both) moved from A's test split to B's training split" in printed


def test_intervals_are_drawn_to_scale():
    drawn = chart(
        [words.Interval("f1", -0.2, -0.4, 0.0, "worse"), words.Interval("recall", 0.1, 0.0, 0.2, "not distinguishable")]
    )
    first, second = drawn.bars
    assert first.high == second.low == drawn.middle
    assert drawn.middle - first.value == pytest.approx(2 * (second.value - drawn.middle), abs=0.2)
    assert LABEL < first.low < first.value < drawn.middle < second.value < second.high < WIDTH
    assert first.low == drawn.left


def _verdict(parameters):
    settings = Settings(parameters=parameters, code=[], libraries=[], snapshots=[])
    state = State("a", "", [])
    return words.verdict(Comparison(state, state, settings, []))


def test_changed_parameters_are_beside_the_verdict():
    changes = [Change("a.seed", 1, 2), Change("b.rect", None, True), Change("c.old", "x", None)]
    renamed = Change("train_cnn.planes.epochs", 12, 12, was="train_cnn.epochs")
    edited = Change("train_cnn.planes.batch", 16, 32, was="train_cnn.batch")
    said = "Changed parameters: a.seed (1 -> 2), b.rect (new: true), c.old (gone), train_cnn.planes.batch (16 -> 32)."
    assert _verdict([*changes, edited, renamed]).sentences[-1] == said
    assert _verdict([renamed]).sentences[-1] == "Changed parameters: none."


def test_beside_the_verdict_are_five_parameters_at_most():
    changes = [Change(f"stage.p{number}", 0, number) for number in range(1, 9)]
    sentence = _verdict(changes).sentences[-1]
    assert sentence.endswith("stage.p5 (0 -> 5), 3 more, listed below.")
    assert _verdict(changes[:5]).sentences[-1].endswith("stage.p5 (0 -> 5).")


def test_states_without_data_sets_have_nothing_to_judge():
    section = _verdict([])
    assert section.sentences[0] == "No data set: neither state's dvc.lock mentions one."
    assert section.alarms == 0
