"""The page and the terminal say the same, for anyone to read offline."""

import re
from html.parser import HTMLParser

import pytest
from states import PARAMETERS, noisy, row, rows, tables

from sonotrace.compare import words
from sonotrace.compare.comparison import compare
from sonotrace.compare.page import LABEL, WIDTH, chart, page
from sonotrace.compare.text import show


@pytest.fixture
def found(project):
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


def test_the_page_needs_nothing_else_and_runs_nothing(found):
    text = page(found)
    read = _Page()
    read.feed(text)
    assert read.open == []
    assert read.links == []
    assert not {"script", "link", "img", "iframe"} & read.tags
    assert not re.search(r"url\(|@import|https?:", text)
    assert "&lt;script&gt;alert(1)" in text
    assert "&lt;b&gt;New" in text


def test_the_page_is_the_same_for_the_same_comparison(found, project):
    assert page(found) == page(compare("a", "b", project.top)[0])
    assert str(project.top) not in page(found)


def test_page_and_terminal_say_all_sentences_and_cells(found, capsys):
    show(found)
    printed = capsys.readouterr().out
    text = page(found)
    for section in words.sections(found):
        for sentence in section.sentences:
            assert sentence in printed
            assert sentence.replace("'", "&#39;") in text
        for table in section.tables:
            assert table.title in printed
            for cell in (cell for cells in table.rows for cell in cells if "<" not in cell):
                assert f">{cell}</td>" in text
    assert "planes: macro_f1: worse" in printed
    assert "Mind: 1 patient (1 image in both) tested on in A and trained on in B" in printed


def test_intervals_are_drawn_to_scale():
    drawn = chart(
        [words.Interval("f1", -0.2, -0.4, 0.0, "worse"), words.Interval("recall", 0.1, 0.0, 0.2, "not distinguishable")]
    )
    first, second = drawn["rows"]
    assert first["high"] == second["low"] == drawn["middle"]
    assert drawn["middle"] - first["value"] == pytest.approx(2 * (second["value"] - drawn["middle"]), abs=0.2)
    assert LABEL < first["low"] < first["value"] < drawn["middle"] < second["value"] < second["high"] < WIDTH
    assert first["low"] == drawn["left"]
