"""The models of two states, set against each other on the same images."""

from dataclasses import dataclass

import pandas as pd

from sonotrace.compare.paired import Score
from sonotrace.compare.revisions import Revision


@dataclass(frozen=True)
class Model:
    """The model of one state, by what it predicted."""

    data_set: str
    revision: Revision
    predictions: pd.DataFrame
    """The table that evaluate wrote."""


@dataclass(frozen=True)
class Pair:
    """Two models on the same images."""

    images: pd.DataFrame
    """One row per image, from `images.joined`."""
    score: Score
    """On rows of `images`."""
    same: bool
    """Whether both models predict the same throughout."""
