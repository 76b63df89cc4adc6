"""Shards: patients dealt out by a hash, so that several jobs can prepare or copy images at the same time."""

import numpy as np
import pandas as pd

from sonotrace.images.packs import pack_name

SHARD_COLUMNS = ("pack", "images")
"""Of the list of a shard's packs: file name, and how many images of the data set are in it or copied into it."""


def shard_of(pack: str, count: int) -> int:
    """Return the shard, from 1 to `count`, of a pack of this name.

    All images of a patient are in one pack and so in one shard; an image whose patient is unknown is dealt by itself.
    """
    return int(pack[:8], 16) % count + 1


def of_shard(images: pd.DataFrame, shard: int, count: int) -> pd.DataFrame:
    """Return the rows of a shard, with a further column `pack`, of a table with the columns image and patient."""
    packs = [pack_name(patient, image) for patient, image in zip(images["patient"], images["image"], strict=True)]
    own = np.fromiter((shard_of(pack, count) == shard for pack in packs), bool, len(packs))
    return images.assign(pack=packs)[own]


def packs_of(images: pd.DataFrame) -> pd.DataFrame:
    """Return the list of the packs of a table with the column `pack`, sorted."""
    counts = images["pack"].value_counts().sort_index()
    return pd.DataFrame({"pack": counts.index, "images": counts.to_numpy()}, columns=list(SHARD_COLUMNS))
