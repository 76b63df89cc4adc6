"""predict: name the plane of each image and find the brain structures in it.

Paths and models are checked before anything heavy is imported.
"""

import json
import os
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from sonotrace.errors import SonotraceError
from sonotrace.kinds.kind import Kind
from sonotrace.kinds.planes import KIND as PLANES
from sonotrace.kinds.structures import KIND as STRUCTURES
from sonotrace.lineage.known import TrustedModel, read_model
from sonotrace.params import PATH, load
from sonotrace.predict.prediction import Models, Prediction, Search, image_files, predict
from sonotrace.running.progress import bar, native_noise_hidden, say


@dataclass(frozen=True)
class Outputs:
    """Where predictions go, besides the terminal."""

    as_json: bool
    sort_into: Path | None
    draw: Path | None


@dataclass(frozen=True)
class Chosen:
    """The model files to use; None where a kind has no model."""

    planes: Path | None
    structures: Path | None

    @property
    def files(self) -> list[Path]:
        """Return those that are used."""
        return [path for path in (self.planes, self.structures) if path]


def run(
    paths: Sequence[Path], chosen: Chosen, repository: Path, search: Search, outputs: Outputs, *, allow_unknown: bool
) -> bool:
    """Predict for each image and say so; return whether all could be read.

    Raises SonotraceError where no path has an image, or a model is unknown to `repository`.
    """
    files, missing = _files(paths)
    if outputs.sort_into and chosen.planes is None:
        raise SonotraceError("predict: --sort-into needs a plane classifier; `dvc repro train_cnn` trains one")
    trusted = {path: read_model(path, repository, allow_unknown) for path in chosen.files}
    for model in trusted.values():
        if model.warning:
            print(f"warning: {model.warning}", file=sys.stderr if outputs.as_json else sys.stdout, flush=True)
    trust = {
        "unknown_models": [str(model.path) for model in trusted.values() if not model.known],
        "uncommitted_models": [str(model.path) for model in trusted.values() if model.known and not model.committed],
    }
    models = _load(chosen, trusted)
    counts: Counter[str] = Counter()
    drawn: set[str] = set()
    with bar("predict", len(files), to_stderr=True) as advance:
        for prediction, image in predict(files, models, search):
            if outputs.as_json:
                print(json.dumps(prediction.as_json() | trust, ensure_ascii=False), flush=True)
            else:
                _show(prediction)
            if image is not None:
                from sonotrace.predict import pictures

                if outputs.sort_into:
                    pictures.sort_into(prediction, outputs.sort_into)
                if outputs.draw:
                    pictures.draw(prediction, image, outputs.draw, drawn)
            counts["unreadable" if image is None else prediction.plane or prediction.reason or "image"] += 1
            advance(1)
    return _conclude(counts, missing)


def model_of(kind: Kind, given: Path | None, repository: Path) -> Path | None:
    """Return the model to use: the one given, which must be there, or the repository's own if it has one.

    Its own is the one that it measures, `evaluate.<data set>.model`: whoever distils a net measures and uses that.
    """
    if given is not None:
        if not given.is_file():
            raise SonotraceError(f"{given}: no such model; run `dvc repro {kind.training}` to make it")
        return given
    own = repository / _measured(kind, repository)
    return own if own.is_file() else None


def _measured(kind: Kind, repository: Path) -> Path:
    try:
        return Path(load(repository / PATH).evaluate[kind.name].model)
    except SonotraceError:  # a checkout of before, or a folder with models alone
        return kind.model(kind.name)


def choose(planes: Path | None, structures: Path | None, repository: Path) -> Chosen:
    """Choose the models; raises SonotraceError where there is none at all, or one that was given is missing."""
    chosen = Chosen(model_of(PLANES, planes, repository), model_of(STRUCTURES, structures, repository))
    if not chosen.files:
        raise SonotraceError(
            f"{repository / PLANES.model(PLANES.name)}: no such model, and no structure detector; `dvc repro` trains "
            "both, --repo names a checkout that has them, --planes-model and --structures-model a file each"
        )
    for kind, path, remaining in (
        (PLANES, chosen.planes, "structures"),
        (STRUCTURES, chosen.structures, "planes"),
    ):
        if path is None:
            note = f"note: no {kind.model(kind.name)}, so only {remaining} are predicted"
            print(note, file=sys.stderr, flush=True)
    return chosen


def _files(paths: Sequence[Path]) -> tuple[list[Path], int]:
    """Return the image files, and how many paths are not there, each of which is said."""
    missing = [path for path in paths if not path.exists()]
    for path in missing:
        print(f"error: {path}: no such file or folder; check the path", file=sys.stderr, flush=True)
    files = list(image_files(path for path in paths if path.exists()))
    if not files:
        where = next((path for path in paths if path.exists()), paths[0])
        raise SonotraceError(
            f"{where}: no image to predict for; name image files or a folder of PNG, JPEG, TIFF or BMP"
        )
    return files, len(missing)


def _load(chosen: Chosen, trusted: dict[Path, TrustedModel]) -> Models:
    # TensorFlow and PyTorch in one process can crash, and the detector needs PyTorch, so Keras uses it too.
    os.environ["KERAS_BACKEND"] = "torch"
    from sonotrace.models.classifier import PlaneClassifier
    from sonotrace.models.detector import StructureDetector

    with native_noise_hidden():
        return Models(
            PlaneClassifier(trusted[chosen.planes].content, chosen.planes) if chosen.planes else None,
            StructureDetector(trusted[chosen.structures].content, chosen.structures) if chosen.structures else None,
        )


def _show(prediction: Prediction) -> None:
    """Print one prediction for a person."""
    if prediction.error:
        say(prediction.error)
        return
    say(f"{prediction.file}{_plane(prediction)}")
    for found in prediction.structures:
        corners = ", ".join(f"{corner:g}" for corner in found.box)
        say(f"  {found.structure} {found.confidence:.3f} at [{corners}] px")


def _plane(prediction: Prediction) -> str:
    probabilities = prediction.probabilities
    if prediction.plane:
        return f": {prediction.plane} {probabilities[prediction.plane]:.3f}"
    if prediction.reason:
        nearest = max(probabilities, key=lambda plane: probabilities[plane])
        return f": {prediction.reason} (nearest: {nearest} {probabilities[nearest]:.3f})"
    return ""


def _conclude(counts: Counter[str], missing: int) -> bool:
    """Say how many images of each plane there were; return whether all could be read."""
    unreadable = counts.pop("unreadable", 0)
    names = sorted(counts.keys() - {"image"}, key=lambda name: (name.startswith("none of"), name))
    planes = ", ".join(f"{counts[name]} {name}" for name in names)
    print(f"predict: {counts.total()} images{f': {planes}' if planes else ''}", file=sys.stderr, flush=True)
    if unreadable:
        print(f"error: {unreadable} of {counts.total() + unreadable} files could not be read", file=sys.stderr)
    return not unreadable and not missing
