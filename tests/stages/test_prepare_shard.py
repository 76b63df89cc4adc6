"""Shards of prepare make its images; prepare takes them over, and leaves what it leaves without shards."""

import pytest
from sharded import ACCEPTED, contents, lay_out, left_without_shards, packs_of_shards, run, set_shards

from sonotrace.images.packs import pack_name
from sonotrace.places import folder, shard_images, shard_table
from sonotrace.tables import read_table

PATIENTS = 9


@pytest.fixture
def alone(work):
    return left_without_shards(work, PATIENTS, "prepare")


@pytest.mark.parametrize("count", [1, 2, 3])
def test_with_any_number_of_shards_prepare_makes_nothing_and_leaves_the_same_bytes(alone, capsys, count):
    set_shards(count)
    capsys.readouterr()
    run("prepare", count)
    images = 2 * PATIENTS + 1
    assert f"prepare: 0 made, {images} reused" in capsys.readouterr().out
    assert contents("prepare") == alone
    shards = packs_of_shards("prepare", count)
    assert sum(map(len, shards)) == len(set().union(*shards)) == PATIENTS + 1


@pytest.mark.usefixtures("alone")
def test_a_new_patient_has_one_pack_made_in_one_shard(work, capsys):
    set_shards(2)
    run("prepare", 2)
    capsys.readouterr()
    lay_out(work, PATIENTS + 1)
    run("prepare", 2)
    printed = capsys.readouterr().out.splitlines()
    made = [int(line.split(": ")[1].split()[0]) for line in printed if line.startswith("prepare") and " made, " in line]
    assert sorted(made[:2]) == [0, 2]
    assert made[2:] == [0]
    ((shard, _),) = [
        (shard, names)
        for shard, names in enumerate(packs_of_shards("prepare", 2), 1)
        if pack_name(f"{PATIENTS:03}", "") in names
    ]
    assert made[shard - 1] == 2


def test_shards_that_are_no_longer_asked_for_go(alone):
    set_shards(3)
    run("prepare", 3)
    set_shards(2)
    run("prepare", 2)
    assert not shard_images("planes", "prepare", 3).parent.exists()
    assert not shard_table("planes", "prepare", 3).exists()
    assert packs_of_shards("prepare", 2)
    set_shards(2, stages=())
    run("prepare", 0)
    assert not folder("planes", "prepare_shard").exists()
    assert sorted(path.name for path in ACCEPTED.parent.iterdir()) == ["accepted.csv", "boxes.csv"]
    assert contents("prepare") == alone


@pytest.mark.usefixtures("alone")
def test_the_list_says_how_many_images_each_pack_holds():
    set_shards(1)
    run("prepare", 1)
    listed = read_table(shard_table("planes", "prepare", 1))
    held = dict(zip(listed["pack"], listed["images"], strict=True))
    assert int(held.pop(pack_name("", "unknown"))) == 1
    assert {int(images) for images in held.values()} == {2}
