"""How two models score: on the test images that both were tested on, and each on its own test side."""

from typing import Any

import numpy as np
import pandas as pd

from sonotrace.compare import paired
from sonotrace.compare.revisions import Revision
from sonotrace.errors import SonotraceError
from sonotrace.images.preparation import Preparation
from sonotrace.kinds.structures import STRUCTURES
from sonotrace.places import METRICS, folder
from sonotrace.scores import planes as plane_scores
from sonotrace.scores import structures as structure_scores
from sonotrace.scores.structures import matched
from sonotrace.tables import CORNERS

PRIMARY = {"planes": "macro_f1", "structures": "map50"}
"""The one score of each model by which it is judged worse as a whole (docs/decisions/0008)."""
_NOT_PLANES = ("image", "patient", "label", "predicted")


def compared(one: Revision, other: Revision, data_set: str, table: pd.DataFrame | None) -> dict[str, Any]:
    """Return `common`, a text that says why where it cannot be had, and `full`; `table` comes from `data.joined`."""
    try:
        common = _on_common(one, other, data_set, table)
    except SonotraceError as error:
        common = str(error)
    return {
        "primary": PRIMARY[data_set],
        "common": common,
        "full": _on_full(one, other, data_set),
    }


def _on_common(one: Revision, other: Revision, data_set: str, table: pd.DataFrame | None) -> dict[str, Any] | str:
    """Score both models on the images that have the same bytes and stand on the test side in both states.

    True is what the second state says, for both, and its patients count.
    """
    path = (folder(data_set, "evaluate") / "predictions.csv").as_posix()
    first, second = one.table(path), other.table(path)
    if first is None or second is None or table is None or "side_before" not in table:
        return "predictions or image tables are not to be had; the notes say which"
    tested = (table["side_before"] == "test") & (table["side_after"] == "test")
    common = table[tested & (table["sha256_before"] == table["sha256_after"])]
    if data_set == "planes":
        common = common[common["image_before"].isin(first["image"]) & common["image_after"].isin(second["image"])]
    if common.empty:
        return "no image is on the test side of both"
    if data_set == "planes":
        score, same = _planes_pair(common, first, second)
    else:
        true = other.table((folder(data_set, "prepare") / "boxes.csv").as_posix())
        if true is None:
            return "the true boxes are not to be had; the notes say why"
        score, same = _structures_pair(common, one, other, first, second, true)
    patients = list(common["patient_after"])
    found = paired.differences(score, patients, same=same)
    return {
        "images": len(common),
        "patients": len(set(patients)),
        "relabelled": int(common["changes"].str.contains("relabelled", regex=False).sum()),
        "same_predictions": same,
        "scores": {name: _written(name, difference, len(set(patients))) for name, difference in found.items()},
    }


def _planes_pair(common: pd.DataFrame, one: pd.DataFrame, other: pd.DataFrame) -> tuple[paired.Score, bool]:
    """Return the score of either model on rows of `common`, and whether both predict the same.

    A plane that a model does not know has probability 0 from it.
    """
    planes = [name for name in [*other.columns, *one.columns] if name not in _NOT_PLANES]
    names = list(dict.fromkeys([*planes, *common["label_after"]]))
    probabilities = np.stack(
        [
            table.set_index("image").reindex(columns=names, fill_value="0").loc[common[image]].to_numpy(np.float64)
            for table, image in ((one, "image_before"), (other, "image_after"))
        ]
    )
    truth = np.array([names.index(label) for label in common["label_after"]], dtype=np.int64)

    def score(which: paired.Which, rows: paired.Rows) -> dict[str, float]:
        return _headline(plane_scores.scores(truth[rows], probabilities[which, rows], names))

    return score, bool((probabilities[0] == probabilities[1]).all())


def _structures_pair(
    common: pd.DataFrame, one: Revision, other: Revision, first: pd.DataFrame, second: pd.DataFrame, true: pd.DataFrame
) -> tuple[paired.Score, bool]:
    """Return the same for boxes; those that `one` found are moved to where the second state prepares images."""
    images = common[["image_after"]].rename(columns={"image_after": "image"})
    names = dict(zip(common["image_before"], common["image_after"], strict=True))
    first = first[first["image"].isin(names)].assign(image=lambda found: found["image"].map(names))
    second = second[second["image"].isin(images["image"])]
    before, after = _preparation(one), _preparation(other)
    if before != after:
        first = _moved(first, common.set_index("image_after"), before, after)
    models = [matched(found, images, true) for found in (first, second)]
    confidence = other.parameter("evaluate.structures.confidence")

    def score(which: paired.Which, rows: paired.Rows) -> dict[str, float]:
        chosen = [models[model][row] for model, row in zip(which, rows, strict=True)]
        return _headline(structure_scores.scores(chosen, STRUCTURES, confidence))

    return score, first.reset_index(drop=True).equals(second.reset_index(drop=True))


def _preparation(revision: Revision) -> Preparation:
    keys = ("width", "height", "aspect", "mask_overlays")
    return Preparation.from_mapping({key: revision.parameter(f"prepare.structures.{key}") for key in keys})


def _moved(found: pd.DataFrame, common: pd.DataFrame, one: Preparation, other: Preparation) -> pd.DataFrame:
    """Move boxes from an image as `one` prepares it to where `other` has them."""
    sizes = dict(zip(common.index, common[["width_after", "height_after"]].to_numpy(np.int64).tolist(), strict=True))
    moved = []
    for image, boxes in zip(found["image"], found[CORNERS].to_numpy(np.float64), strict=True):
        original = one.placement(*sizes[image]).to_original(boxes)
        moved.append(other.placement(*sizes[image]).to_prepared(original))
    return found.assign(**dict(zip(CORNERS, np.array(moved).reshape(-1, 4).T, strict=True)))


def _on_full(one: Revision, other: Revision, data_set: str) -> dict[str, Any] | None:
    """Set the recorded scores of both whole test sides against each other, as of independent patients."""
    details = [revision.json((METRICS / f"{data_set}_detail.json").as_posix()) for revision in (one, other)]
    if None in details:
        return None
    a, b = (detail or {} for detail in details)
    scores = {}
    for name, figure in b["overall"].items():
        parts = [[side["overall"].get(name, {}).get(key) for key in ("value", "low", "high")] for side in (a, b)]
        if None not in parts[0] + parts[1]:
            value, low, high = paired.independent(tuple(parts[0]), tuple(parts[1]))
            scores[name] = {
                "a": parts[0][0],
                "b": figure["value"],
                "difference": round(value, 4),
                "low": round(low, 4),
                "high": round(high, 4),
            }
    counts = {
        f"{key}_{side}": detail[f"n_{key}"] for key in ("images", "patients") for side, detail in (("a", a), ("b", b))
    }
    return counts | {"scores": scores}


def _headline(scores: dict[str, float]) -> dict[str, float]:
    return {name: value for name, value in scores.items() if "." not in name}


def _written(name: str, found: paired.Difference, patients: int) -> dict[str, Any]:
    values = {"a": found.a, "b": found.b, "difference": found.value, "low": found.low, "high": found.high, "p": found.p}
    numbers = {key: None if np.isnan(value) else round(float(value), 4) for key, value in values.items()}
    return numbers | {"verdict": found.verdict, "sentence": _sentence(name, found, patients)}


def _sentence(name: str, found: paired.Difference, patients: int) -> str:
    if found.verdict == "undefined":
        return f"{name} is undefined on these images"
    if found.verdict == "not distinguishable":
        return f"{name}: not distinguishable with {patients} patients"
    interval = f"{found.low:+.3f} to {found.high:+.3f}"
    return f"{name}: {found.verdict}, by {abs(found.value):.3f} ({interval}) with {patients} patients"
