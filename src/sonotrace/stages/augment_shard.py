"""augment_shard: make the copies of one shard of the patients, for augment to take over.

Needs `split.csv`, the images that this shard of prepare left, and what pull says of the snapshot; leaves, for shard k,
one pack of copies per patient in `data/<data set>/augment_shard/k/images`, and their list,
`data/<data set>/augment_shard/k/packs.csv`. Boxes are left to augment.
"""

from sonotrace.images.copies import originals
from sonotrace.images.shards import of_shard, packs_of
from sonotrace.params import load
from sonotrace.places import folder, shard_images, shard_table
from sonotrace.running.outputs import write_csv
from sonotrace.running.progress import say
from sonotrace.stages.augment import augmented_before, sides_to_copy, write_copies
from sonotrace.tables import box_table, read_table


def run(data_set: str, shard: int) -> None:
    """Copy the training images of a shard of `data_set` on all cores; copies made before are reused."""
    everything = load()
    params, count = everything.augment[data_set], len(everything.shards.numbers)
    table = read_table(folder(data_set, "split") / "split.csv")
    chosen = originals(table, augmented_before(data_set), box_table([]), sides_to_copy(data_set, everything))
    rows = of_shard(table[table["image"].isin([one.image for one in chosen])], shard, count)
    names = set(rows["image"])
    own = [one for one in chosen if one.image in names]
    title = f"augment_shard {shard} of {count}"
    say(f"{title}: {params.copies} copies of {len(own)} of {len(chosen)} {data_set} training images")
    prepared, out = (shard_images(data_set, stage, shard) for stage in ("prepare", "augment"))
    made = write_copies(title, own, params, prepared, out)
    write_csv(packs_of(rows if params.copies else rows[:0]), shard_table(data_set, "augment", shard))
    say(f"{title}: {made} made, {len(own) * params.copies - made} reused")
