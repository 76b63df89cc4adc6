"""How two models score: on the test images they share, and each on its own test split."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from sonotrace.compare import paired, planes, structures
from sonotrace.compare.models import Model, Pair
from sonotrace.compare.paired import Rows, Score, Which
from sonotrace.compare.revisions import Revision
from sonotrace.errors import SonotraceError
from sonotrace.kinds.kind import Kind
from sonotrace.models.calibration import calibrated_by_others
from sonotrace.places import METRICS, folder
from sonotrace.scores.structures import of_lowest_seed
from sonotrace.tables import PLANE_PREDICTION_COLUMNS

PAIRS: dict[str, Callable[[pd.DataFrame, Model, Model], Pair]] = {"planes": planes.pair, "structures": structures.pair}
"""Kind -> what pairs two models of it."""


@dataclass(frozen=True)
class Common:
    """Both models on the images that both were asked about and had not seen."""

    images: int
    patients: int
    relabelled: int
    """Images with another label in B; B's label is the truth for both models."""
    same_predictions: bool
    scores: Mapping[str, paired.Difference]

    def sentence(self, name: str) -> str:
        """State the verdict on one score."""
        score = self.scores[name]
        if score.verdict == "undefined":
            return f"{name} is undefined on these images"
        if score.verdict == "not distinguishable":
            return f"{name}: not distinguishable with {self.patients} patients"
        interval = f"{score.low:+.3f} to {score.high:+.3f}"
        return f"{name}: {score.verdict}, by {abs(score.value):.3f} ({interval}) with {self.patients} patients"


@dataclass(frozen=True)
class Unpaired:
    """A recorded score of each model on its own test split, and the 95 % interval of `b` minus `a`."""

    a: float
    b: float
    difference: float
    low: float
    high: float


@dataclass(frozen=True)
class Full:
    """Each model on its own test split."""

    images_a: int
    images_b: int
    patients_a: int
    patients_b: int
    scores: Mapping[str, Unpaired]


@dataclass(frozen=True)
class Scores:
    """How the models of one data set score."""

    primary: str
    """The one score that decides (docs/decisions/0008)."""
    common: Common | str
    """On common test images; the reason, as text, if the models cannot be compared."""
    full: Full | None
    folds: Common | None = None
    """Over the folds of both states; None where one of them has none."""

    @property
    def is_worse(self) -> bool:
        """Say whether B's model is significantly worse by the primary score."""
        return isinstance(self.common, Common) and self.common.scores[self.primary].verdict == "worse"


def compared(data_set: str, kind: Kind, one: Revision, other: Revision, table: pd.DataFrame | None) -> Scores:
    """Compare the models of two states; `table` comes from `images.joined`, None where there is none."""
    common: Common | str
    try:
        common = _on_test(data_set, kind, one, other, table)
    except SonotraceError as error:
        common = str(error)
    return Scores(kind.primary, common, _on_full(data_set, one, other), _on_folds(data_set, kind, one, other, table))


def _on_test(data_set: str, kind: Kind, one: Revision, other: Revision, table: pd.DataFrame | None) -> Common:
    """Score both models on the images in both test splits; raise SonotraceError if there is nothing to score."""
    if kind.name not in PAIRS:
        raise SonotraceError(f"models are not compared image by image on {kind.name} images")
    path = (folder(data_set, "evaluate") / "predictions.csv").as_posix()
    first, second = one.table(path), other.table(path)
    if first is None or second is None or table is None or "side_before" not in table:
        raise SonotraceError("predictions or image tables cannot be read; the notes say which")
    tested = table[(table["side_before"] == "test") & (table["side_after"] == "test")]
    common = _common(kind, tested, Model(data_set, one, first), Model(data_set, other, second))
    if common is None:
        raise SonotraceError("no image is in both test splits")
    return common


def _on_folds(data_set: str, kind: Kind, one: Revision, other: Revision, table: pd.DataFrame | None) -> Common | None:
    """Score what the folds' models of both states say of the patients that they have not seen."""
    stage, read = ("evaluate_folds", of_lowest_seed) if kind.has_boxes else ("ensemble", _out_of_fold)
    path = (folder(data_set, stage) / "predictions.csv").as_posix()
    if table is None or "side_before" not in table or not (one.makes(path) and other.makes(path)):
        return None
    first, second = one.table(path), other.table(path)
    if first is None or second is None:
        return None
    models = [Model(data_set, state, read(found)) for state, found in ((one, first), (other, second))]
    learned = table[(table["side_before"] != "test") & (table["side_after"] != "test")]
    return _common(kind, learned, *models)


def _out_of_fold(found: pd.DataFrame) -> pd.DataFrame:
    """Return what the folds' nets say of images of the train and val sides, calibrated as `train_ensemble` does."""
    unseen = found[found["side"] != "test"].drop(columns="side").reset_index(drop=True)
    names = [name for name in unseen.columns if name not in {*PLANE_PREDICTION_COLUMNS, "fold"}]
    probabilities = unseen[names].to_numpy(np.float64)
    truth = np.array([names.index(label) for label in unseen["label"]], dtype=np.int64)
    unseen[names] = calibrated_by_others(probabilities, truth, unseen["fold"].to_numpy(str))
    return unseen.drop(columns="fold")


def _common(kind: Kind, images: pd.DataFrame, a: Model, b: Model) -> Common | None:
    """Score both models on those of `images` that have the same bytes in both states.

    Labels and patients are those of the second state. None if there is no such image.
    """
    images = images[images["sha256_before"] == images["sha256_after"]]
    if images.empty:
        return None
    pair = PAIRS[kind.name](images, a, b)
    images = pair.images
    if images.empty:
        return None
    patients = list(images["patient_after"])
    return Common(
        images=len(images),
        patients=len(set(patients)),
        relabelled=int(images["changes"].str.contains("relabelled", regex=False).sum()),
        same_predictions=pair.same,
        scores=paired.differences(_overall(pair.score), patients, same=pair.same),
    )


def _overall(score: Score) -> Score:
    """Leave out the scores of single classes."""

    def overall(which: Which, rows: Rows) -> dict[str, float]:
        return {name: value for name, value in score(which, rows).items() if "." not in name}

    return overall


def _on_full(data_set: str, one: Revision, other: Revision) -> Full | None:
    """Compare the recorded scores on both test splits as those of independent patients."""
    path = (METRICS / f"{data_set}_detail.json").as_posix()
    a, b = one.json(path), other.json(path)
    if a is None or b is None:
        return None
    scores = {}
    for name in b["overall"]:
        first, second = (
            tuple(detail["overall"].get(name, {}).get(key) for key in ("value", "low", "high")) for detail in (a, b)
        )
        if None not in first + second:
            scores[name] = Unpaired(first[0], second[0], *paired.independent(first, second))
    return Full(a["n_images"], b["n_images"], a["n_patients"], b["n_patients"], scores)
