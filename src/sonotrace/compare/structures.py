"""Two detectors of structures on the same images."""

import numpy as np
import pandas as pd

from sonotrace.compare.models import Model, Pair
from sonotrace.compare.paired import Rows, Which
from sonotrace.errors import SonotraceError
from sonotrace.images.preparation import Preparation
from sonotrace.kinds.structures import STRUCTURES
from sonotrace.places import folder
from sonotrace.scores import structures as structure_scores
from sonotrace.tables import CORNERS


def pair(images: pd.DataFrame, a: Model, b: Model) -> Pair:
    """Pair two models on `images`, from `images.joined`.

    The boxes of the second state are the truth for both; boxes that the first model predicted are moved
    to where the second state's preparation has them. Raises SonotraceError without true boxes or the
    parameters of the preparation.
    """
    true = b.revision.table((folder(b.data_set, "prepare") / "boxes.csv").as_posix())
    if true is None:
        raise SonotraceError("the true boxes cannot be read; the notes say why")
    ids = images[["image_after"]].rename(columns={"image_after": "image"})
    names = dict(zip(images["image_before"], images["image_after"], strict=True))
    first = a.predictions[a.predictions["image"].isin(names)]
    first = first.assign(image=first["image"].map(names))
    second = b.predictions[b.predictions["image"].isin(ids["image"])]
    before, after = _preparation(a), _preparation(b)
    if before != after:
        first = _fitted(first, images.set_index("image_after"), before, after)
    models = [structure_scores.matched(table, ids, true) for table in (first, second)]
    confidence = b.revision.parameter(f"evaluate.{b.data_set}.confidence")

    def score(which: Which, rows: Rows) -> dict[str, float]:
        chosen = [models[model][row] for model, row in zip(which, rows, strict=True)]
        return structure_scores.scores(chosen, STRUCTURES, confidence)

    same = first.reset_index(drop=True).equals(second.reset_index(drop=True))
    return Pair(images, score, same)


def _preparation(model: Model) -> Preparation:
    keys = ("width", "height", "aspect", "mask_overlays")
    return Preparation.from_mapping({key: model.revision.parameter(f"prepare.{model.data_set}.{key}") for key in keys})


def _fitted(table: pd.DataFrame, images: pd.DataFrame, one: Preparation, other: Preparation) -> pd.DataFrame:
    """Move boxes from where they are in an image as `one` prepares it to where `other` has them."""
    sizes = dict(zip(images.index, images[["width_after", "height_after"]].to_numpy(np.int64).tolist(), strict=True))
    moved = []
    for image, boxes in zip(table["image"], table[CORNERS].to_numpy(np.float64), strict=True):
        original = one.placement(*sizes[image]).to_original(boxes)
        moved.append(other.placement(*sizes[image]).to_prepared(original))
    return table.assign(**dict(zip(CORNERS, np.array(moved).reshape(-1, 4).T, strict=True)))
