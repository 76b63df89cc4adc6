"""Counts of what was added, removed and changed add up, in both directions."""

import pytest
from hypothesis import given
from states import IMAGES, joined_images, joined_states, row, rows, tables

from sonotrace.compare.data import Move, counted
from sonotrace.compare.images import joined, listed


@given(IMAGES)
def test_a_state_does_not_differ_from_itself(state):
    table = joined(state, state)
    assert set(table["changes"]) <= {""}
    assert len(listed(table, "planes")) == 0
    counts = counted(table, [])
    assert not any(counts.images.changes.values())
    assert counts.moves == []


@given(IMAGES, IMAGES)
def test_the_parts_add_up_to_the_whole(before, after):
    counts = counted(joined(before, after), [])
    images, patients, changes = counts.images, counts.patients, counts.images.changes
    assert (images.a, images.b) == (len(before), len(after))
    assert images.b == images.a + changes["added"] - changes["removed"]
    assert patients.b == patients.a + patients.added - patients.removed
    for groups in counts.groups.values():
        for group in groups:
            assert group.b == group.a + group.added - group.removed + group.came - group.left
    assert sum(group.a for group in counts.groups["side"]) == len(before)
    assert sum(group.b for group in counts.groups["scanner"]) == len(after)
    moved = changes["moved"] + changes["set apart"] + changes["taken in"]
    assert sum(group.left for group in counts.groups["side"]) == moved
    assert sum(move.images for move in counts.moves) == changes["moved"]


@given(IMAGES, IMAGES)
def test_the_way_back_mirrors_the_way_there(before, after):
    there, back = counted(joined(before, after), []), counted(joined(after, before), [])
    mirror = {"added": "removed", "removed": "added", "set apart": "taken in", "taken in": "set apart"}
    assert (there.images.a, there.images.b) == (back.images.b, back.images.a)
    assert there.images.changes == {name: back.images.changes[mirror.get(name, name)] for name in there.images.changes}
    assert {(move.before, move.after, move.images) for move in there.moves} == {
        (move.after, move.before, move.images) for move in back.moves
    }
    for name, groups in there.groups.items():
        other = {group.name: group for group in back.groups[name]}
        for group in groups:
            opposite = other[group.name]
            assert (group.added, group.came) == (opposite.removed, opposite.left)
            assert group.patients_a == opposite.patients_b


def test_moved_boxes_relabel_an_image_and_their_order_does_not(project):
    csp, falx = ("CSP", 1, 1, 3, 3), ("MIDLINE_FALX", 0, 4, 9, 6)
    before = [row(0, boxes=[csp, falx]), row(1, boxes=[csp]), row(2, boxes=[csp]), row(3)]
    after = [row(0, boxes=[falx, csp]), row(1, boxes=[("CSP", 1, 1, 3, 4)]), row(2, boxes=[csp, falx]), row(3)]
    table = joined_images(project, "structures", before, after)
    assert list(table["changes"]) == ["", "relabelled", "relabelled", ""]
    classes = {group.name: (group.a, group.came, group.b) for group in counted(table, []).groups["class"]}
    assert classes == {"CSP": (3, 0, 3), "MIDLINE_FALX": (1, 1, 2), "no box": (1, 0, 1)}


def test_a_patient_who_changes_splits_is_counted_even_without_a_common_image(project):
    before = [row(0), row(1), row(2, side="train"), row(3, side="train")]
    after = [row(0, side="train"), row(1, side="train", image="Patient00000_other", content="other"), *before[2:]]
    assert counted(joined_images(project, "planes", before, after), []).moves == [Move("test", "train", 1, 1)]
    replaced = [row(0, side="train", image="Patient00000_other", content="other"), *before[2:]]
    project.state("c", tables("planes", replaced))
    assert counted(joined_states(project, "planes", "a", "c"), []).moves == [Move("test", "train", 0, 1)]


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        ("test", "train", "A's test split to B's training split: scores on A's test split say nothing about B's model"),
        ("test", "val", "A's test split to B's validation split: scores on A's test split say nothing about B's model"),
        ("train", "test", "A's training split to B's test split: scores on B's test split say nothing about A's model"),
        ("val", "test", "A's validation split to B's test split: scores on B's test split say nothing about A's model"),
    ],
)
def test_a_move_that_makes_a_test_split_useless_is_a_warning(project, before, after, said):
    table = joined_images(project, "planes", rows(2, side=before), rows(2, side=after))
    assert counted(table, []).warnings == [f"1 patient (2 images in both) moved from {said}"]


def test_a_move_between_training_and_validation_is_no_warning(project):
    data = counted(joined_images(project, "planes", rows(2, side="train"), rows(2, side="val")), [])
    assert len(data.moves) == 1
    assert data.warnings == []


def test_sites_count_where_either_manifest_names_one(project):
    after = [row(0, site="south"), *rows(4, site="north")[1:]]
    table = joined_images(project, "planes", rows(4, site="north"), after)
    sites = [(group.name, group.a, group.b) for group in counted(table, []).groups["site"]]
    assert sites == [("north", 4, 3), ("south", 0, 1)]
    project.state("unnamed", tables("planes", rows(4)))
    older = tables("planes", rows(4))
    manifest = older["data/planes/pull/manifest.csv"]
    older["data/planes/pull/manifest.csv"] = manifest.drop(columns="site")
    project.state("older", older)
    names = {}
    for states in (("a", "unnamed"), ("unnamed", "unnamed"), ("a", "older")):
        groups = counted(joined_states(project, "planes", *states), []).groups
        names[states] = [group.name for group in groups.get("site", [])]
    assert names == {("a", "unnamed"): ["north", "unknown"], ("unnamed", "unnamed"): [], ("a", "older"): []}
