"""Whether images look different: size, brightness and sharpness, each with an effect size.

The effect size is Cliff's delta (Cliff 1993, Psychological Bulletin 114:494): the probability that an
image of the second group has the larger value, minus the probability that it has the smaller one,
between -1 and 1. It is based on ranks, so a few extreme images do not decide it. The words for it are
those of Romano et al. 2006: below 0.147 negligible, below 0.33 small, below 0.474 medium, else large.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from sonotrace.compare.revisions import Revision
from sonotrace.places import folder

FEATURES = {"width": "px", "height": "px", "brightness": "grey level", "sharpness": "squared grey level"}
"""Feature -> unit; brightness is the mean grey level, 0 to 255, sharpness Brenner's gradient."""
WORDS = ((0.147, "negligible"), (0.33, "small"), (0.474, "medium"), (np.inf, "large"))


@dataclass(frozen=True)
class Shift:
    """How one feature of some images differs between two states."""

    images: str
    """`all`; `added`, compared with all of A; or `changed`, compared with the same images in A."""
    feature: str
    """One of FEATURES."""
    unit: str
    n_a: int
    n_b: int
    median_a: float
    median_b: float
    cliffs_delta: float
    effect: str
    """`negligible`, `small`, `medium` or `large`."""


def cliffs_delta(one: ArrayLike, other: ArrayLike) -> float:
    """Return the share of pairs in which `other` is larger, minus that in which it is smaller; NaN without pairs."""
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
    """Return the features of each image, indexed by image id, without those that the revision does not have."""
    sizes = images[["file", "width", "height"]].replace({"width": {0: np.nan}, "height": {0: np.nan}})
    table = revision.table((folder(data_set, "validate") / "statistics.csv").as_posix())
    if table is None:
        return sizes[["width", "height"]]
    keyed = table.drop_duplicates(["image", "file"]).set_index(["image", "file"])[["brightness", "sharpness"]]
    return sizes.join(keyed, on=["image", "file"])[list(FEATURES)]


def shifts(before: pd.DataFrame, after: pd.DataFrame, table: pd.DataFrame) -> list[Shift]:
    """Compare the features of all images of two states, and those of the added and the changed ones alone.

    `before` and `after` come from `measured`, `table` from `images.joined`. Added images are compared
    with all images of the first state, changed ones with themselves as they were.
    """
    changed = table[table["changes"].str.contains("changed", regex=False)]
    added = table.index[table["image_before"].isna()]
    groups = {
        "all": (before, after),
        "added": (before, after.loc[added]),
        "changed": (before.loc[changed["image_before"]], after.loc[changed["image_after"]]),
    }
    return [
        shift
        for images, (one, other) in groups.items()
        for feature in FEATURES
        if feature in one and feature in other
        if (shift := _shift(images, feature, one[feature].dropna(), other[feature].dropna()))
    ]


def _shift(images: str, feature: str, one: pd.Series, other: pd.Series) -> Shift | None:
    if not len(one) or not len(other):
        return None
    delta = cliffs_delta(one, other)
    return Shift(
        images=images,
        feature=feature,
        unit=FEATURES[feature],
        n_a=len(one),
        n_b=len(other),
        median_a=round(float(one.median()), 4),
        median_b=round(float(other.median()), 4),
        cliffs_delta=round(delta, 4),
        effect=word(delta),
    )
