"""A number of a table opens onto the images that it counts, and the page keeps to its size."""

import contextlib

import pytest

from sonotrace.report.facts import read
from sonotrace.report.galleries import Gallery, of_data_set, pictures


@pytest.fixture
def sets(checkout):
    with contextlib.chdir(checkout):
        return read().data_sets


def test_a_cell_opens_onto_images_with_that_label_and_that_answer(sets):
    planes = sets[0]
    found = of_data_set(planes, pictures(sets)["planes"])
    galleries = {gallery.id: gallery for gallery in found.galleries}
    opened = 0
    for actual, cells in found.table.items():
        for predicted, cell in zip(found.columns, cells, strict=True):
            assert cell.count == planes.gathered.confusion.get(actual, {}).get(predicted, 0)
            if cell.count:
                cases = [one.case for one in galleries[cell.opens].shown]
                assert {(case.actual, case.predicted) for case in cases} == {(actual, predicted)}
                opened += 1
    assert opened >= 4


def test_structures_open_onto_images_with_such_a_box(sets):
    structures = next(one for one in sets if one.name == "structures")
    found = of_data_set(structures, pictures(sets)["structures"])
    missed = next(gallery for gallery in found.galleries if gallery.title == "missed midline falx")
    assert missed.count == structures.gathered.detections["MIDLINE_FALX"]["missed"] > 0
    for one in missed.shown:
        assert any((box.structure, box.verdict) == ("MIDLINE_FALX", "missed") for box in one.case.boxes)


def test_the_worst_are_errors_that_were_not_refused(sets):
    found = of_data_set(sets[0], pictures(sets)["planes"])
    assert found.worst
    assert all(one.case.is_wrong and one.case.in_scope for one in found.worst)
    sureness = [one.case.confidence for one in found.worst]
    assert sureness == sorted(sureness, reverse=True)


def test_beyond_the_budget_every_data_set_keeps_its_worst(sets):
    size = max(len(case.picture) for one in sets for case in one.gathered.cases)
    budget = size * len(sets) * 2
    kept = pictures(sets, budget)
    total = 0
    for one in sets:
        named = [bool(shown.picture) for shown in kept[one.name]]
        assert named[0]
        assert not all(named)
        total += sum(len(shown.case.picture) for shown in kept[one.name] if shown.picture)
    assert total <= budget


@pytest.mark.parametrize(
    ("count", "shown", "what", "said"),
    [
        (1, 1, "image", "1 image"),
        (9, 4, "image", "9 images, 4 shown"),
        (8, 7, "box", "8 boxes in 7 images"),
        (1, 1, "box", "1 box in 1 image"),
    ],
)
def test_counts_are_said_in_words(count, shown, what, said):
    assert Gallery("id", "t", count, [None] * shown, what).in_words == said
