"""prepare_shard: bring the accepted images of one shard of the patients to one size, for prepare to take over.

Needs the images of pull, those that validate recovered, and `accepted.csv`; leaves, for shard k, one pack of images per
patient in `data/<data set>/prepare_shard/k/images`, and their list, `data/<data set>/prepare_shard/k/packs.csv`.
"""

from sonotrace.images.preparation import Preparation
from sonotrace.images.shards import of_shard, packs_of
from sonotrace.params import load
from sonotrace.places import folder, shard_images, shard_table
from sonotrace.running.outputs import write_csv
from sonotrace.running.progress import say
from sonotrace.stages.prepare import accepted_images, write_prepared
from sonotrace.tables import read_table


def run(data_set: str, shard: int) -> None:
    """Prepare the images of a shard of `data_set` on all cores; those prepared before are reused."""
    everything = load()
    params, count = Preparation.from_mapping(everything.prepare[data_set].model_dump()), len(everything.shards.numbers)
    accepted = read_table(folder(data_set, "validate") / "accepted.csv")
    own = of_shard(accepted, shard, count)
    title = f"prepare_shard {shard} of {count}"
    say(f"{title}: {len(own)} of {len(accepted)} {data_set} images to {params.width}x{params.height} px")
    made = write_prepared(title, accepted_images(data_set, own), params, shard_images(data_set, "prepare", shard))
    write_csv(packs_of(own), shard_table(data_set, "prepare", shard))
    say(f"{title}: {made} made, {len(own) - made} reused")
