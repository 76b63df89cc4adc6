"""Every image that differs is listed once, under the right name for what happened to it."""

import pandas as pd
import pytest
from hypothesis import given
from states import IMAGES, joined_images, joined_states, row, rows, tables

from sonotrace.compare.images import images_of, joined, listed
from sonotrace.compare.revisions import both


@given(IMAGES, IMAGES)
def test_every_image_that_differs_is_listed_once(before, after):
    table = joined(before, after)
    found = listed(table, "planes")
    same = {
        image
        for image in set(before.index) & set(after.index)
        if all(before.loc[image, name] == after.loc[image, name] for name in ("sha256", "patient", "label", "side"))
    }
    pairs = found[["image_before", "image_after"]]
    assert set(pairs["image_before"].dropna()) == set(before.index) - same
    assert set(pairs["image_after"].dropna()) == set(after.index) - same
    assert not pairs["image_before"].dropna().duplicated().any()
    assert not pairs["image_after"].dropna().duplicated().any()


@given(IMAGES, IMAGES)
def test_renamed_images_have_the_same_bytes_and_no_more_are_paired_than_there_are(before, after):
    table = joined(before, after)
    renamed = table[table["changes"].str.contains("renamed")]
    assert (renamed["sha256_before"] == renamed["sha256_after"]).all()
    gone, new = (
        one.loc[~one.index.isin(other.index), "sha256"].value_counts()
        for one, other in ((before, after), (after, before))
    )
    assert len(renamed) == sum(min(count, new.get(sha, 0)) for sha, count in gone.items())


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"content": "another picture"}, "changed"),
        ({"label": "thorax"}, "relabelled"),
        ({"side": "train"}, "moved"),
        ({"side": ""}, "set apart"),
        ({"patient": "99999"}, "other patient"),
        ({"image": "Patient00000_new"}, "renamed"),
        ({"image": "Patient00077_new", "patient": "00077", "side": "train"}, "renamed; moved; other patient"),
        ({"content": "another picture", "image": "Patient00000_new"}, "added+removed"),
    ],
)
def test_each_change_has_its_name(project, change, expected):
    table = joined_images(project, "planes", rows(6), [row(0, **change), *rows(6)[1:]])
    assert "+".join(sorted(filter(None, table["changes"]))) == expected


def test_another_spelling_of_a_label_is_no_relabelling(project):
    before = tables("planes", rows(4))
    after = tables("planes", rows(4))
    manifest = after["data/planes/pull/manifest.csv"]
    manifest["label"] = manifest["label"].str.removeprefix("Fetal ")
    project.state("a", before)
    project.state("b", after)
    assert set(joined_states(project, "planes", "a", "b")["changes"]) == {""}


def test_rows_without_an_image_do_not_count_and_of_an_id_twice_the_file_in_use_does(project):
    made = tables("planes", rows(4))
    manifest = made["data/planes/pull/manifest.csv"]
    missing = manifest.iloc[[0]].assign(image="Patient00009_9", file="", sha256="")
    unused = manifest.iloc[[2]].assign(file="another.png", sha256="0" * 64)
    made["data/planes/pull/manifest.csv"] = pd.concat([missing, unused, manifest])
    project.state("a", made)
    project.state("b", tables("planes", rows(4)))
    one, other = both("a", "b", project.top)
    table = images_of(one, "planes")
    assert len(table) == 4
    assert "another.png" not in set(table["file"])
    assert set(joined(table, images_of(other, "planes"))["changes"]) == {""}
