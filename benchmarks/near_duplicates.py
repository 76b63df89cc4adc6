"""How long the search for near-duplicates takes on a large data set.

The images are taken again and again until there are COUNT; hashes of all but the first round then
get four in ten bits turned, so that they are as far apart as those of other images.

    PYTHONPATH=src python benchmarks/near_duplicates.py IMAGES_DIR [--count 12400] [--rounds 3]

IMAGES_DIR: prepared images, such as data/planes/prepare/images.
"""

import argparse
import resource
from itertools import cycle, islice
from pathlib import Path

import numpy as np
import pandas as pd
from measure import print_table, spread, timed

from sonotrace.audit.duplicates import differing_pairs, fingerprints
from sonotrace.images.packs import stored_in
from sonotrace.running.parallel import available_cores


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("images", type=Path, metavar="IMAGES_DIR")
    arguments.add_argument("--count", type=int, default=12400)
    arguments.add_argument("--rounds", type=int, default=3)
    options = arguments.parse_args()
    different = list(stored_in(options.images).values())
    images = list(islice(cycle(different), options.count))
    prints = np.unpackbits(fingerprints(images).view(np.uint8), axis=1)
    turned = np.random.default_rng(1).random(prints.shape) < 0.4
    turned[: len(different)] = False
    altered = np.packbits(prints ^ turned, axis=1).view(np.uint64)
    numbers = [str(number) for number in range(options.count)]
    table = pd.DataFrame({"image": numbers, "patient": numbers, "label": "brain", "side": "train"})
    hashing = [timed(lambda: fingerprints(images)) for _ in range(options.rounds)]
    pairing = [timed(lambda: differing_pairs("planes", table, altered)) for _ in range(options.rounds)]
    print_table(
        [f"{options.count} images, {available_cores()} cores, {options.rounds} rounds", "s"],
        [("read and hash", spread(hashing, 1)), ("compare all pairs", spread(pairing, 1))],
    )
    print(f"peak memory {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MiB")


if __name__ == "__main__":
    main()
