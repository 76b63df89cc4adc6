"""Shards of augment make its copies; augment takes them over, and leaves what it leaves without shards."""

import pytest
from sharded import contents, left_without_shards, packs_of_shards, run, set_shards

from sonotrace.images.packs import pack_name
from sonotrace.places import folder, shard_images, shard_table

PATIENTS = 9
COPIED = 2 * 6 + 1
"""Images of the train side: the three tested patients have none, and the image of nobody counts."""


@pytest.fixture
def alone(work):
    return left_without_shards(work, PATIENTS, "augment")


@pytest.mark.parametrize("count", [1, 2, 3])
def test_with_any_number_of_shards_augment_makes_nothing_and_leaves_the_same_bytes(alone, capsys, count):
    set_shards(count)
    run("prepare", count)
    capsys.readouterr()
    run("augment", count)
    assert f"augment: 0 made, {2 * COPIED} reused" in capsys.readouterr().out
    assert contents("augment") == alone
    shards = packs_of_shards("augment", count)
    assert sum(map(len, shards)) == len(set().union(*shards)) == 7


@pytest.mark.usefixtures("alone")
def test_a_shard_copies_the_training_images_that_its_shard_of_prepare_made():
    set_shards(2)
    run("prepare", 2)
    run("augment", 2)
    prepared, copied = packs_of_shards("prepare", 2), packs_of_shards("augment", 2)
    tested = {pack_name(f"{number:03}", "") for number in range(0, PATIENTS, 3)}
    assert copied == [names - tested for names in prepared]


def test_shards_of_augment_that_are_no_longer_asked_for_go(alone):
    set_shards(2)
    run("prepare", 2)
    run("augment", 2)
    set_shards(2, stages=("prepare",))
    run("augment", 0)
    assert not folder("planes", "augment_shard").exists()
    assert not shard_table("planes", "augment", 1).parent.exists()
    assert shard_images("planes", "prepare", 1).is_dir()
    assert contents("augment") == alone


@pytest.mark.usefixtures("alone")
def test_without_copies_a_shard_lists_no_pack(set_param):
    set_shards(2)
    set_param("augment.planes.copies", 0)
    run("prepare", 2)
    run("augment", 2)
    assert packs_of_shards("augment", 2) == [set(), set()]
