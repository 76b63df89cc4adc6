"""What came, went and changed is counted so that the parts make the whole, in both directions."""

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from states import row, rows, tables

from sonotrace.compare.data import LEFT_OUT, described, images_of, joined, listed
from sonotrace.compare.revisions import both

IMAGE = st.fixed_dictionaries(
    {
        "sha256": st.sampled_from("123"),
        "patient": st.sampled_from("pqr"),
        "label": st.sampled_from(["CSP", "CSP; MIDLINE_FALX", "no box"]),
        "side": st.sampled_from(["train", "val", "test", LEFT_OUT]),
        "scanner": st.sampled_from(["E6", "unknown"]),
        "width": st.integers(1, 3),
        "height": st.integers(1, 3),
    }
)
STATE = st.dictionaries(st.sampled_from("abcdef"), IMAGE).map(
    lambda images: pd.DataFrame(
        {name: pd.Series([image[name] for image in images.values()], dtype=kind) for name, kind in TYPES.items()}
    ).set_index(pd.Index(list(images), dtype=str))
)
TYPES = dict.fromkeys(("sha256", "patient", "label", "side", "scanner"), str) | {"width": int, "height": int}


@given(STATE)
def test_a_state_does_not_differ_from_itself(state):
    table = joined(state, state)
    assert set(table["changes"]) <= {""}
    assert len(listed(table, "planes")) == 0
    counts = described(table)
    assert {name for name, count in counts["images"].items() if count} <= {"a", "b"}
    assert counts["moves"] == []


@given(STATE, STATE)
def test_parts_make_the_whole(before, after):
    table = joined(before, after)
    counts = described(table)
    images, patients = counts["images"], counts["patients"]
    assert (images["a"], images["b"]) == (len(before), len(after))
    assert images["b"] == images["a"] + images["added"] - images["removed"]
    assert patients["b"] == patients["a"] + patients["added"] - patients["removed"]
    for groups in counts["groups"].values():
        for group in groups:
            assert group["b"] == group["a"] + group["added"] - group["removed"] + group["came"] - group["left"]
    assert sum(group["a"] for group in counts["groups"]["side"]) == len(before)
    assert sum(group["b"] for group in counts["groups"]["scanner"]) == len(after)
    moved = images["moved"] + images["set apart"] + images["taken in"]
    assert sum(group["left"] for group in counts["groups"]["side"]) == moved
    assert sum(move["images"] for move in counts["moves"]) == images["moved"]


@given(STATE, STATE)
def test_the_way_back_mirrors_the_way_there(before, after):
    there, back = described(joined(before, after)), described(joined(after, before))
    mirror = {
        "a": "b",
        "b": "a",
        "added": "removed",
        "removed": "added",
        "set apart": "taken in",
        "taken in": "set apart",
    }
    assert there["images"] == {kind: back["images"][mirror.get(kind, kind)] for kind in there["images"]}
    swapped = [{"from": move["to"], "to": move["from"], "images": move["images"]} for move in back["moves"]]
    key = str
    assert sorted(({k: v for k, v in move.items() if k != "patients"} for move in there["moves"]), key=key) == sorted(
        swapped, key=key
    )
    for name, groups in there["groups"].items():
        other = {group["name"]: group for group in back["groups"][name]}
        for group in groups:
            assert (group["added"], group["came"], group["patients_a"]) == tuple(
                other[group["name"]][key] for key in ("removed", "left", "patients_b")
            )


@given(STATE, STATE)
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


@given(STATE, STATE)
def test_renamed_images_have_the_same_bytes_and_no_more_are_paired_than_there_are(before, after):
    table = joined(before, after)
    renamed = table[table["changes"].str.contains("renamed")]
    assert (renamed["sha256_before"] == renamed["sha256_after"]).all()
    gone, new = (
        one.loc[~one.index.isin(other.index), "sha256"].value_counts()
        for one, other in ((before, after), (after, before))
    )
    assert len(renamed) == sum(min(count, new.get(sha, 0)) for sha, count in gone.items())


def _states(project, data_set, before, after):
    project.state("a", tables(data_set, before))
    project.state("b", tables(data_set, after))
    one, other = both("a", "b", project.top)
    return joined(images_of(one, data_set), images_of(other, data_set))


@pytest.mark.parametrize(
    ("change", "said"),
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
def test_each_change_has_its_name(project, change, said):
    table = _states(project, "planes", rows(6), [row(0, **change), *rows(6)[1:]])
    assert "+".join(sorted(filter(None, table["changes"]))) == said


def test_another_spelling_of_a_label_is_no_relabelling(project):
    before = tables("planes", rows(4))
    after = tables("planes", rows(4))
    manifest = after["data/planes/pull/manifest.csv"]
    manifest["label"] = manifest["label"].str.removeprefix("Fetal ")
    project.state("a", before)
    project.state("b", after)
    one, other = both("a", "b", project.top)
    assert set(joined(images_of(one, "planes"), images_of(other, "planes"))["changes"]) == {""}


def test_moved_boxes_relabel_an_image_and_their_order_does_not(project):
    csp, falx = ("CSP", 1, 1, 3, 3), ("MIDLINE_FALX", 0, 4, 9, 6)
    before = [row(0, boxes=[csp, falx]), row(1, boxes=[csp]), row(2, boxes=[csp]), row(3)]
    after = [row(0, boxes=[falx, csp]), row(1, boxes=[("CSP", 1, 1, 3, 4)]), row(2, boxes=[csp, falx]), row(3)]
    table = _states(project, "structures", before, after)
    assert list(table["changes"]) == ["", "relabelled", "relabelled", ""]
    classes = {group["name"]: group for group in described(table)["groups"]["class"]}
    assert {name: (group["a"], group["came"], group["b"]) for name, group in classes.items()} == {
        "CSP": (3, 0, 3),
        "MIDLINE_FALX": (1, 1, 2),
        "no box": (1, 0, 1),
    }


def test_a_patient_who_changes_sides_is_counted_even_without_a_common_image(project):
    before = [row(0), row(1), row(2, side="train"), row(3, side="train")]
    after = [row(0, side="train"), row(1, side="train", image="Patient00000_other", content="other"), *before[2:]]
    counts = described(_states(project, "planes", before, after))
    assert counts["moves"] == [{"from": "test", "to": "train", "images": 1, "patients": 1}]
    replaced = [row(0, side="train", image="Patient00000_other", content="other"), *before[2:]]
    project.state("c", tables("planes", replaced))
    one, other = both("a", "c", project.top)
    moves = described(joined(images_of(one, "planes"), images_of(other, "planes")))["moves"]
    assert moves == [{"from": "test", "to": "train", "images": 0, "patients": 1}]


def test_sites_count_where_either_manifest_names_one(project):
    table = _states(project, "planes", rows(4, site="north"), [row(0, site="south"), *rows(4, site="north")[1:]])
    assert [(group["name"], group["a"], group["b"]) for group in described(table)["groups"]["site"]] == [
        ("north", 4, 3),
        ("south", 0, 1),
    ]
    project.state("unnamed", tables("planes", rows(4)))
    older = tables("planes", rows(4))
    manifest = older["data/planes/pull/manifest.csv"]
    older["data/planes/pull/manifest.csv"] = manifest.drop(columns="site")
    project.state("older", older)
    found = {}
    for before, after in (("a", "unnamed"), ("unnamed", "unnamed"), ("a", "older")):
        one, other = both(before, after, project.top)
        groups = described(joined(images_of(one, "planes"), images_of(other, "planes")))["groups"]
        found[before, after] = [group["name"] for group in groups.get("site", [])]
    assert found == {("a", "unnamed"): ["north", "unknown"], ("unnamed", "unnamed"): [], ("a", "older"): []}


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
