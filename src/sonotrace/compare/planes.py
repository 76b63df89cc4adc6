"""Two classifiers of planes on the same images."""

import numpy as np
import pandas as pd

from sonotrace.compare.models import Model, Pair
from sonotrace.compare.paired import Rows, Which
from sonotrace.scores import planes as plane_scores
from sonotrace.tables import PLANE_PREDICTION_COLUMNS


def pair(images: pd.DataFrame, a: Model, b: Model) -> Pair:
    """Pair two models on those of `images`, from `images.joined`, for which both have predictions.

    The labels of the second state are the truth for both; a plane that a model does not know has
    probability 0.
    """
    one, other = a.predictions, b.predictions
    images = images[images["image_before"].isin(one["image"]) & images["image_after"].isin(other["image"])]
    planes = [name for name in [*other.columns, *one.columns] if name not in PLANE_PREDICTION_COLUMNS]
    names = list(dict.fromkeys([*planes, *images["label_after"]]))
    probabilities = np.stack(
        [
            table.set_index("image").reindex(columns=names, fill_value="0").loc[images[image]].to_numpy(np.float64)
            for table, image in ((one, "image_before"), (other, "image_after"))
        ]
    )
    truth = np.array([names.index(label) for label in images["label_after"]], dtype=np.int64)

    def score(which: Which, rows: Rows) -> dict[str, float]:
        return plane_scores.scores(truth[rows], probabilities[which, rows], names)

    return Pair(images, score, same=bool((probabilities[0] == probabilities[1]).all()))
