"""What a review decided is read, applied and taken back; what cannot be meant is said with its line."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sonotrace.errors import SonotraceError
from sonotrace.kinds import KINDS
from sonotrace.kinds.planes import OUT_OF_SCOPE, PLANES
from sonotrace.labels.corrections import COLUMNS, LEFT_OUT, Correction, Corrections, choices, decide, undo

PLANE_KIND, BOX_KIND = KINDS["planes"], KINDS["structures"]
ONE, OTHER = "1" * 64, "2" * 64


def _decision(**changed):
    given_ = {"data_set": "planes", "sha256": ONE, "old": "femur", "new": "brain", "reviewer": "A. Lovelace"}
    return Correction(**(given_ | {"date": "2026-11-26", "note": ""} | changed))


@pytest.fixture
def table(tmp_path):
    path = tmp_path / "corrections.csv"
    path.write_text(",".join(COLUMNS) + "\n")
    return path


def test_the_label_of_the_snapshot_is_replaced_whichever_way_it_is_spelt(table):
    decide(_decision(), PLANE_KIND, table)
    corrections = Corrections("planes", PLANE_KIND, table)
    applied = corrections.applied(ONE, "Fetal femur", "t.csv:2")
    assert (applied.label, applied.labelled_by, applied.refused) == ("brain", "corrections.csv:111111111111", "")
    untouched = corrections.applied(OTHER, "Fetal femur", "t.csv:3")
    assert (untouched.label, untouched.labelled_by) == ("Fetal femur", "t.csv:3")
    assert Corrections("african", PLANE_KIND, table).about(ONE) is None


def test_a_snapshot_that_was_corrected_itself_keeps_its_own_label_and_another_one_stops(table):
    decide(_decision(), PLANE_KIND, table)
    corrections = Corrections("planes", PLANE_KIND, table)
    assert corrections.applied(ONE, "Fetal brain", "t.csv:2").labelled_by == "t.csv:2"
    with pytest.raises(SonotraceError, match=r"line 2: the snapshot calls this image 'thorax'.*delete the row"):
        corrections.applied(ONE, "Fetal thorax", "t.csv:2")


def test_an_image_can_be_left_out_or_confirmed_and_a_review_counts_what_came_of_it(table):
    decide(_decision(new=LEFT_OUT, note="two planes at once"), PLANE_KIND, table)
    decide(_decision(sha256=OTHER, new="femur"), PLANE_KIND, table)
    decide(_decision(sha256="3" * 64, reviewer="G. Hopper"), PLANE_KIND, table)
    corrections = Corrections("planes", PLANE_KIND, table)
    refused = corrections.applied(ONE, "femur", "t.csv:2").refused
    assert refused == "left out in a review: A. Lovelace, 2026-11-26: two planes at once"
    assert corrections.applied(OTHER, "femur", "t.csv:3").labelled_by == "t.csv:3"
    assert corrections.summary([ONE, ONE, OTHER]) == {"A. Lovelace, 2026-11-26": "1 confirmed, 1 left out"}


def test_a_second_decision_replaces_the_first_and_undo_leaves_the_table_as_it_was(table):
    before = table.read_bytes()
    decide(_decision(), PLANE_KIND, table)
    decide(_decision(new="other"), PLANE_KIND, table)
    assert table.read_text().count("\n") == 2
    undo("planes", ONE, table)
    assert table.read_bytes() == before


WORDS = st.text(st.characters(exclude_categories=("Cs", "Cc")), max_size=20).map(str.strip)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(
        st.builds(
            Correction,
            data_set=st.just("planes"),
            sha256=st.integers(0, 3).map(lambda number: f"{number:064x}"),
            old=st.sampled_from(("", *PLANES)),
            new=st.sampled_from((*PLANES, *OUT_OF_SCOPE, LEFT_OUT)),
            reviewer=WORDS.filter(bool),
            date=st.dates().map(str),
            note=WORDS,
        ),
        max_size=6,
    )
)
def test_whatever_is_decided_is_read_as_it_was_decided_last(table, decisions):
    table.write_text(",".join(COLUMNS) + "\n")
    for decision in decisions:
        decide(decision, PLANE_KIND, table)
    read = Corrections("planes", PLANE_KIND, table)
    last = {decision.sha256: decision for decision in decisions}
    assert {sha256: read.about(sha256) for sha256 in read.images} == last


@pytest.mark.parametrize(
    ("row", "said"),
    [
        (f"planes,{ONE},femur,knee,A,2026-11-26,", "line 2: new is 'knee'; use one of abdomen"),
        (f"planes,{ONE},femur,Fetal brain,A,2026-11-26,", "line 2: new is 'Fetal brain'"),
        ("planes,abc,femur,brain,A,2026-11-26,", "line 2: sha256 is 'abc'"),
        (f"planes,{ONE},femur,brain,,2026-11-26,", "line 2: no reviewer"),
        (f"planes,{ONE},femur,brain,A,26.11.2026,", "line 2: date is '26.11.2026'; write it as"),
        (f"planes,{ONE},femur,brain,A,2026-11-26,one,two", "line 2: more than 7 values"),
        (f"planes,{ONE},femur,brain,A,2026-11-26,\nplanes,{ONE},femur,brain,B,2026-11-26,", "lines 2 and 3 are about"),
    ],
)
def test_a_row_that_cannot_be_meant_is_named(table, row, said):
    table.write_text(table.read_text() + row + "\n")
    with pytest.raises(SonotraceError) as problem:
        Corrections("planes", PLANE_KIND, table)
    assert said in str(problem.value)
    assert "\n" not in str(problem.value)


@pytest.mark.parametrize("content", [None, b"", b"a,b\n", b"\xff\xfe"])
def test_a_table_that_is_none_stops(table, content):
    table.unlink() if content is None else table.write_bytes(content)
    with pytest.raises(SonotraceError, match=r"corrections\.csv: .*; (restore it with git|save the table as UTF-8)"):
        Corrections("planes", PLANE_KIND, table)


def test_boxes_are_not_relabelled_here_but_an_image_can_be_left_out(table):
    box = {"data_set": "structures", "old": ""}
    decide(_decision(**box, new=LEFT_OUT), BOX_KIND, table)
    decide(_decision(**box, sha256=OTHER, new=""), BOX_KIND, table)
    with pytest.raises(SonotraceError, match="an image with boxes can be 'left out' only"):
        decide(_decision(**box, new="CSP"), BOX_KIND, table)
    assert choices(BOX_KIND, []) == ()
    assert choices(PLANE_KIND, ["brain"]) == PLANES + OUT_OF_SCOPE


def test_a_table_that_csv_cannot_read_is_an_error_that_names_it(table):
    table.write_text(",".join(COLUMNS) + "\n" + "a" * 200_000 + "\n")
    with pytest.raises(SonotraceError, match=r"corrections\.csv: not a CSV table.*restore it with git"):
        Corrections("planes", PLANE_KIND, table)
