"""predict: name the plane of each image and find the brain structures in it.

Paths and models are checked before anything heavy is imported.
"""

import sys
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256
from importlib.util import find_spec
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

from sonotrace.errors import SonotraceError
from sonotrace.kinds.kind import Kind
from sonotrace.kinds.planes import KIND as PLANES
from sonotrace.kinds.structures import KIND as STRUCTURES
from sonotrace.lineage.known import TrustedModel
from sonotrace.places import onnx_model
from sonotrace.predict.search import Search
from sonotrace.predict.trust import Trust

if TYPE_CHECKING:
    from sonotrace.predict.prediction import Looked, Models
    from sonotrace.predict.sources import Source

STANDARD_INPUT = Path("-")


@dataclass(frozen=True)
class Outputs:
    """Where predictions go."""

    form: str
    """text, json or csv, on standard output."""
    sort_into: Path | None = None
    draw: Path | None = None
    reports: Path | None = None
    """Of DICOM structured reports."""


@dataclass(frozen=True)
class Chosen:
    """The model files to use; None where a kind has no model."""

    planes: Path | None
    structures: Path | None

    @property
    def files(self) -> list[Path]:
        """Return those that are used."""
        return [path for path in (self.planes, self.structures) if path]


def choose(folder: Path, planes: Path | None, structures: Path | None) -> Chosen:
    """Choose the models: those given, which must be there, or those in a folder.

    Raises SonotraceError where there is none at all, or one that was given is missing or of another form.
    """
    chosen = Chosen(_model_of(PLANES, planes, folder), _model_of(STRUCTURES, structures, folder))
    if not chosen.files:
        made = [folder / kind.model(kind.name).name for kind in (PLANES, STRUCTURES)]
        remedy = (
            "`dvc repro export_onnx` makes it of the model there"
            if any(path.is_file() for path in made)
            else "`dvc repro` makes both; --models names a folder that has them, --repo a checkout"
        )
        raise SonotraceError(f"{folder / onnx_model(PLANES.name).name}: no such model, nor one of structures; {remedy}")
    return chosen


def _model_of(kind: Kind, given: Path | None, folder: Path) -> Path | None:
    if given is None:
        own = folder / onnx_model(kind.name).name
        return own if own.is_file() else None
    if not given.is_file():
        raise SonotraceError(f"{given}: no such model; `dvc repro export_onnx` makes {onnx_model(kind.name)}")
    if given.suffix != ".onnx":
        raise SonotraceError(f"{given}: no ONNX file; `dvc repro export_onnx` makes {onnx_model(kind.name)}")
    return given


def load_models(chosen: Chosen, trust: Trust) -> tuple[list[TrustedModel], "Models"]:
    """Read the models that somebody vouches for, and make them ready; raises SonotraceError for others."""
    trusted = {path: trust.read(path) for path in chosen.files}
    from sonotrace.portable.reading import PortableClassifier, PortableDetector
    from sonotrace.predict.prediction import Models

    return list(trusted.values()), Models(
        PortableClassifier(trusted[chosen.planes].content, chosen.planes) if chosen.planes else None,
        PortableDetector(trusted[chosen.structures].content, chosen.structures) if chosen.structures else None,
    )


def hashes_of(models: "Models", trusted: Sequence[TrustedModel]) -> dict[str, str]:
    """Return kind -> sha256 of what `load_models` returned."""
    kinds = [kind.name for kind, model in ((PLANES, models.classifier), (STRUCTURES, models.detector)) if model]
    return {kind: sha256(model.content).hexdigest() for kind, model in zip(kinds, trusted, strict=True)}


def run(
    paths: Sequence[Path], chosen: Chosen, trust: Trust, search: Search, outputs: Outputs, threads: int | None = None
) -> bool:
    """Predict for each image and say so; return whether all could be read.

    Raises SonotraceError where no path has an image, or nobody vouches for a model.
    """
    missing = _missing(paths)
    if missing == len(paths):
        more = f", nor are the {missing - 1} others" if missing > 1 else ""
        raise SonotraceError(f"{paths[0]}: no such file or folder{more}; check the path")
    if outputs.sort_into and chosen.planes is None:
        raise SonotraceError("predict: --sort-into needs a plane classifier; `dvc repro export_onnx@planes` makes one")
    for kind, path, remaining in ((PLANES, chosen.planes, "structures"), (STRUCTURES, chosen.structures, "planes")):
        if path is None:
            _note(f"note: no {onnx_model(kind.name).name}, so only {remaining} are predicted")
    from sonotrace.predict.sources import sources

    found = sources(_existing(paths))
    first = next(found, None)
    if first is None:
        raise _no_image(next((path for path in paths if path.exists()), paths[0]))
    every = chain([first], found)
    trusted, models = load_models(chosen, trust)
    for model in trusted:
        if model.warning:
            print(f"warning: {model.warning}", file=sys.stderr if outputs.form != "text" else sys.stdout, flush=True)
    counts = _say(every, models, trusted, search, outputs, threads, can_count=STANDARD_INPUT not in paths)
    return _conclude(counts, missing)


def _say(
    every: "Iterator[Source]",
    models: "Models",
    trusted: Sequence[TrustedModel],
    search: Search,
    outputs: Outputs,
    threads: int | None,
    *,
    can_count: bool,
) -> Counter[str]:
    """Predict for the images of all sources, write what was asked for, and return how many of each plane there were."""
    from sonotrace.predict.prediction import predict
    from sonotrace.predict.writing import writer

    write = writer(outputs.form, models, trusted)
    counts: Counter[str] = Counter()
    drawn: set[str] = set()
    reports = _Reports(outputs.reports, models, trusted) if outputs.reports else None
    with _bar(every, can_count) as (remaining, advance):
        for looked in predict(remaining, models, search, threads, keep=outputs.draw is not None):
            one = looked.prediction
            write(one)
            if not one.error and (outputs.sort_into or outputs.draw):
                from sonotrace.predict import pictures

                if outputs.sort_into:
                    pictures.sort_into(looked, outputs.sort_into)
                if outputs.draw:
                    pictures.draw(looked, outputs.draw, drawn)
            if reports:
                reports.take(looked)
            counts["unreadable" if one.error else one.plane or one.reason or "image"] += 1
            advance(1)
    if reports:
        reports.end()
        counts["without report"] = reports.failed
    return counts


class _Reports:
    """Writes the structured report of each DICOM file once all its images have been looked at."""

    def __init__(self, folder: Path, models: "Models", trusted: Sequence[TrustedModel]) -> None:
        if find_spec("highdicom") is None:
            raise SonotraceError("--sr: highdicom is not installed; pip install 'sonotrace[sr]'")
        self._folder = folder
        self._hashes = hashes_of(models, trusted)
        self._of_one_file: list[Looked] = []
        self._written = self._others = self.failed = 0

    def take(self, looked: "Looked") -> None:
        """Take the next prediction; those of a file come one after the other."""
        if self._of_one_file and looked.source is not self._of_one_file[0].source:
            self._write()
        if not looked.prediction.error:
            self._of_one_file.append(looked)

    def end(self) -> None:
        """Write the last report, and say how many there are."""
        if self._of_one_file:
            self._write()
        if self._others:
            _note(f"note: no structured report of {self._others} images that are not DICOM")
        _note(f"predict: {self._written} structured reports in {self._folder}")

    def _write(self) -> None:
        from sonotrace.predict import reports

        source = self._of_one_file[0].source
        said = [looked.prediction for looked in self._of_one_file]
        self._of_one_file = []
        if said[0].frame is None:
            self._others += 1
            return
        try:
            reports.write(source.read(), source.name, said, self._hashes, self._folder)
            self._written += 1
        except SonotraceError as error:
            _note(f"error: {error}")
            self.failed += 1


def _no_image(path: Path) -> SonotraceError:
    return SonotraceError(
        f"{path}: no image to predict for; name image files or a folder of PNG, JPEG, TIFF, BMP or DICOM"
    )


@contextmanager
def _bar(every: "Iterator[Source]", can_count: bool) -> "Iterator[tuple[Iterable[Source], Callable[[int], None]]]":
    """Show a bar where there is a terminal and the files can be counted; give them, and what advances it."""
    if not (can_count and sys.stderr.isatty()):
        yield every, lambda _: None
        return
    from sonotrace.running.progress import bar

    files = list(every)
    with bar("predict", len(files), to_stderr=True) as advance:
        yield files, advance


def _missing(paths: Sequence[Path]) -> int:
    """Say which paths are not there, unless none is; return how many."""
    missing = [path for path in paths if path != STANDARD_INPUT and not path.exists()]
    if len(missing) < len(paths):
        for path in missing:
            _note(f"error: {path}: no such file or folder; check the path")
    return len(missing)


def _existing(paths: Sequence[Path]) -> Iterator[Path]:
    """Yield the paths that are there, and in place of `-` those that standard input lists, one a line."""
    for path in paths:
        if path == STANDARD_INPUT:
            yield from (Path(line) for text in sys.stdin if (line := text.rstrip("\n")))
        elif path.exists():
            yield path


def _conclude(counts: Counter[str], missing: int) -> bool:
    """Say how many images of each plane there were; return whether all could be read."""
    unreadable, unreported = counts.pop("unreadable", 0), counts.pop("without report", 0)
    names = sorted(counts.keys() - {"image"}, key=lambda name: (name.startswith("none of"), name))
    planes = ", ".join(f"{counts[name]} {name}" for name in names)
    _note(f"predict: {counts.total()} images{f': {planes}' if planes else ''}")
    if unreadable:
        _note(f"error: {unreadable} file{'s' if unreadable > 1 else ''} could not be read")
    return not unreadable and not unreported and not missing


def _note(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
