"""Whether images look otherwise: size, brightness, sharpness, each with an effect size.

The effect size is Cliff's delta (Cliff 1993, Psychological Bulletin 114:494): the chance that an image
of the second group has the larger value, less the chance that it has the smaller, between -1 and 1.
It rests on ranks, so a few extreme images do not decide it. Words for it are those of Romano et al.
2006: below 0.147 negligible, below 0.33 small, below 0.474 medium, else large.
"""

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from sonotrace.compare.revisions import Revision
from sonotrace.places import folder

FEATURES = {"width": "px", "height": "px", "brightness": "grey level", "sharpness": "squared grey level"}
"""Feature -> unit; brightness is the mean grey level, 0 to 255, sharpness Brenner's gradient."""
WORDS = ((0.147, "negligible"), (0.33, "small"), (0.474, "medium"), (np.inf, "large"))


def cliffs_delta(one: ArrayLike, other: ArrayLike) -> float:
    """Return the share of pairs in which `other` is larger, less that in which it is smaller; NaN without pairs."""
    first, second = np.sort(np.asarray(one, float)), np.asarray(other, float)
    if not len(first) or not len(second):
        return float("nan")
    smaller = np.searchsorted(first, second, "left").sum()
    larger = (len(first) - np.searchsorted(first, second, "right")).sum()
    return float(int(smaller) - int(larger)) / (len(first) * len(second))


def word(delta: float) -> str:
    """Call an effect negligible, small, medium or large."""
    return next(name for limit, name in WORDS if abs(delta) < limit)


def measured(revision: Revision, data_set: str, images: pd.DataFrame) -> pd.DataFrame:
    """Return the features of each image, by image id; those that the revision does not have are left out."""
    found = images[["file", "width", "height"]].replace({"width": {0: np.nan}, "height": {0: np.nan}})
    table = revision.table((folder(data_set, "validate") / "statistics.csv").as_posix())
    if table is None:
        return found[["width", "height"]]
    keyed = table.drop_duplicates(["image", "file"]).set_index(["image", "file"])[["brightness", "sharpness"]]
    return found.join(keyed, on=["image", "file"])[list(FEATURES)]


def shifts(before: pd.DataFrame, after: pd.DataFrame, table: pd.DataFrame) -> list[dict[str, Any]]:
    """Set the features of all images of two states against each other, and those of some alone.

    `before` and `after` come from `measured`, `table` from `data.joined`. Added images stand against all
    that were there before, changed ones against themselves as they were.
    """
    changed = table[table["changes"].str.contains("changed", regex=False)]
    added = table.index[table["image_before"].isna()]
    pairs = {
        "all": (before, after),
        "added": (before, after.loc[added]),
        "changed": (
            before.loc[changed["image_before"]],
            after.loc[changed["image_after"]],
        ),
    }
    found = []
    for name, (one, other) in pairs.items():
        for feature in (feature for feature in FEATURES if feature in one and feature in other):
            first, second = one[feature].dropna(), other[feature].dropna()
            if len(first) and len(second):
                delta = cliffs_delta(first, second)
                found.append(
                    {
                        "images": name,
                        "feature": feature,
                        "unit": FEATURES[feature],
                        "n_a": len(first),
                        "n_b": len(second),
                        "median_a": round(float(first.median()), 4),
                        "median_b": round(float(second.median()), 4),
                        "cliffs_delta": round(delta, 4),
                        "effect": word(delta),
                    }
                )
    return found
