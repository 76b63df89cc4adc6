"""Charts are pictures of the numbers: positions, words for those who cannot see them, and nothing that runs."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sonotrace.report.charts import MOST_POINTS, Line, above, interval, lines, shares


def _numbers(svg, element, attribute):
    return [float(found) for found in re.findall(rf'<{element}[^>]* {attribute}="([-\d.]+)"', svg)]


def test_an_interval_lies_around_its_value():
    svg = interval(0.5, 0.25, 1.0)
    (left,), (right,) = (re.findall(rf'class="range" .*?{end}="([\d.]+)"', svg) for end in ("x1", "x2"))
    assert (float(left), float(right)) == (44, 164)
    assert _numbers(svg, "circle", "cx") == [84]


def test_a_value_without_an_interval_is_a_dot_alone():
    svg = interval(0.5, None, None)
    assert "range" not in svg
    assert _numbers(svg, "circle", "cx") == [84]


def test_a_value_that_could_not_be_computed_is_not_drawn():
    assert interval(None, None, None) == ""


def test_shares_fill_the_bar_in_proportion():
    assert _numbers(shares([1, 1, 2], 4), "rect", "width") == [42, 42, 84]
    assert _numbers(shares([0, 0, 0], 0), "rect", "width") == [0, 0, 0]


def test_a_line_runs_from_corner_to_corner():
    svg = lines("t", [Line("a", [(0, 0), (1, 1)])], "x", "y")
    assert 'points="46,230 348,12"' in svg


def test_it_says_in_words_what_it_shows_and_escapes_names():
    svg = lines("Loss", [Line('<b>"', [(1, 2), (3, 0.5)])], "epoch", "loss", (1, 3), (0, 2))
    assert 'role="img"' in svg
    assert "Loss. epoch and loss. &lt;b&gt;&#34;: from 2 at 1 to 0.5 at 3" in svg
    assert "<b>" not in svg


def test_long_lines_keep_their_ends():
    points = [(at / 9999, at / 9999) for at in range(10_000)]
    (drawn,) = re.findall(r'points="([^"]+)"', lines("t", [Line("", points)], "x", "y"))
    places = drawn.split()
    assert len(places) == MOST_POINTS
    assert (places[0], places[-1]) == ("46,230", "348,12")


def test_epochs_are_counted_in_whole_numbers():
    svg = lines("t", [Line("", [(1, 0), (12, 1)])], "epoch", "y", (1, 12), whole=True)
    across = re.findall(r'<text x="[^"]+" y="246" text-anchor="\w+">([^<]+)<', svg)
    assert across == ["1", "4", "6", "9", "12"]


def test_one_epoch_is_drawn_too():
    assert "nan" not in lines("t", [Line("", [(1, 0.5)])], "epoch", "y", (1, 1), (0, 0))


@pytest.mark.parametrize(("value", "end"), [(0.235, 0.24), (5.2, 6), (1.0, 1), (0.01, 0.01), (99, 100), (0, 1)])
def test_axes_end_at_a_round_number(value, end):
    assert above(value) == end


@given(value=st.floats(1e-6, 1e6))
def test_no_value_is_above_the_axis(value):
    assert value <= above(value) * (1 + 1e-9) <= 2 * value * (1 + 1e-9)
