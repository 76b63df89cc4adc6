"""The command line: one command a stage, and `predict`, `metrics`, `sources` and others for people.

Stages import their libraries when they run, so that `sonotrace --help` answers at once.
"""

import importlib
import json
import os
import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from sonotrace.errors import SonotraceError
from sonotrace.places import MODELS
from sonotrace.running import environment
from sonotrace.running.progress import bar, native_noise_hidden

app = typer.Typer(
    help="A reproducible, data-versioned workflow for fetal ultrasound.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


export = typer.Typer(help="Write the recorded run in a standard form (docs/exports.md).", no_args_is_help=True)
app.add_typer(export, name="export")


class DataSet(StrEnum):
    """The two data sets."""

    planes = "planes"
    structures = "structures"


DataSetArgument = Annotated[DataSet, typer.Argument(help="Which data set.")]
AllowUnknown = Annotated[
    bool, typer.Option("--allow-unknown", help="Take a model that dvc.lock does not know; reading one may run code.")
]
NewFolder = Annotated[Path, typer.Argument(help="The folder to make.")]
NewFile = Annotated[Path, typer.Argument(help="The file to make.")]


def main() -> None:
    """Run the command line; errors are one line on standard error and exit code 1."""
    environment.isolate()
    try:
        app()
    except Exception as error:
        if os.environ.get("SONOTRACE_DEBUG") == "1":
            raise
        print(f"error: {_one_line(error)}", file=sys.stderr)
        sys.exit(1)


def _one_line(error: Exception) -> str:
    if isinstance(error, SonotraceError):
        return str(error)
    if isinstance(error, OSError) and error.filename:
        return f"{error.filename}: {error.strerror}; check the path, its permissions and the disk"
    first = next(iter(str(error).splitlines()), "")
    return f"unexpected {type(error).__name__}: {first} (SONOTRACE_DEBUG=1 shows where)"


def _run(stage: str, *arguments: str, **inputs: bytes) -> None:
    from sonotrace.running import runs

    with runs.recorded(stage, *arguments):
        importlib.import_module(f"sonotrace.stages.{stage}").run(*arguments, **inputs)


@app.command()
def pull(data_set: DataSetArgument) -> None:
    """Bring a snapshot's images and labels in."""
    _run("pull", data_set)


@app.command()
def validate(data_set: DataSetArgument) -> None:
    """Decode every image once and set bad ones apart, with a reason each."""
    _run("validate", data_set)


@app.command()
def split(data_set: DataSetArgument) -> None:
    """Put every patient on one side: train, val or test."""
    _run("split", data_set)


@app.command()
def prepare(data_set: DataSetArgument) -> None:
    """Bring every image to one size, and its boxes with it."""
    _run("prepare", data_set)


@app.command()
def augment(data_set: DataSetArgument) -> None:
    """Make seeded, changed copies of the training images."""
    _run("augment", data_set)


@app.command("train_cnn")
def train_cnn() -> None:
    """Train the plane classifier."""
    _run("train_cnn")


@app.command("train_yolo")
def train_yolo() -> None:
    """Train the structure detector."""
    _run("train_yolo")


@app.command()
def evaluate(data_set: DataSetArgument, allow_unknown: AllowUnknown = False) -> None:
    """Measure a model on the test side, with intervals by patient."""
    from sonotrace.lineage.known import read_current

    model = read_current(MODELS[data_set], Path(), allow_unknown)
    if not model.known:
        print(f"evaluate: warning: {model.warning}", flush=True)
    _run("evaluate", data_set, model=model.content)


@app.command()
def sources(
    check: Annotated[bool, typer.Option("--check", help="Ask for newer versions; exit code 3 if there are.")] = False,
) -> None:
    """Say where each data set comes from, what is pinned, and its licence."""
    from sonotrace.intake import catalogue

    if catalogue.show(check):
        raise typer.Exit(3)


@app.command()
def pin(data_set: DataSetArgument) -> None:
    """Take over what a remote source holds now: pin its content in git."""
    from sonotrace.intake import catalogue

    catalogue.pin(data_set)


@app.command()
def verify(
    signature: Annotated[
        bool, typer.Option("--signature", help="Instead: do the models' signatures hold for --key?")
    ] = False,
    key: Annotated[Path | None, typer.Option(help="With --signature: the signer's public key, PEM.")] = None,
) -> None:
    """Hash the whole workspace again, and compute the metrics again from stored predictions."""
    if signature != (key is not None):
        raise SonotraceError("verify: --signature and --key PUBLIC.pem go together; give both or neither")
    if key is not None:
        from sonotrace.export import signature as signatures

        found = list(signatures.problems(key, Path()))
    else:
        from sonotrace.lineage.verify import problems

        found = list(problems(Path()))
    for problem in found:
        print(problem)
    if found:
        print(f"error: {len(found)} things are not as {'signed' if key else 'recorded'}", file=sys.stderr)
        raise typer.Exit(1)
    if key is not None:
        print("verified: every model has a signature that holds for this key")
    else:
        print("verified: every file that dvc.lock names, every image of the manifests, every metric")


@app.command()
def sign(
    key: Annotated[Path, typer.Option(help="Your private key: EC on P-256, P-384 or P-521, PEM.")],
) -> None:
    """Sign both models with your own key: a file beside each, NAME.sig."""
    from sonotrace.export import signature as signatures

    for path in signatures.sign(key, Path()):
        print(f"wrote {path}")


@export.command()
def rocrate(out: NewFolder) -> None:
    """Write an RO-Crate (Workflow Run): the run with its models, metrics and reports."""
    from sonotrace.export import rocrate as form

    form.write(Path(), out)


@export.command()
def croissant(out: NewFolder) -> None:
    """Write a Croissant description of each data snapshot; it lists no image and no patient."""
    from sonotrace.export import croissant as form

    form.write(Path(), out)


@export.command()
def mlbom(out: NewFile) -> None:
    """Write a CycloneDX ML-BOM: models, data and locked dependencies, with their hashes."""
    from sonotrace.export import mlbom as form

    form.write(Path(), out)


@app.command()
def withdraw(
    patient: Annotated[str, typer.Argument(help="The patient's id as the data set has it.")],
    reason: Annotated[str, typer.Option(help="Why; it stands in git, so name nobody.")],
) -> None:
    """Leave a patient out of everything that is made from now on."""
    from sonotrace.patients import withdrawals

    print(withdrawals.record(patient, reason))
    if not withdrawals.is_pulled(patient):
        print("note: none of the patients pulled now has this id; check it")


@app.command()
def lineage(
    file: Annotated[Path | None, typer.Argument(help="Any file, from anywhere; its bytes tell what it is.")] = None,
    patient: Annotated[str | None, typer.Option(help="Which splits and models know this patient.")] = None,
    image: Annotated[str | None, typer.Option(help="The same for an image id.")] = None,
    images: Annotated[
        bool, typer.Option("--images", "--patients", help="List what it was trained, validated and tested on.")
    ] = False,
    verify: Annotated[bool, typer.Option("--verify", help="Hash every link again that is present.")] = False,
    blobs: Annotated[
        bool, typer.Option("--blobs", help="With --patient: md5 and path of each of their image files.")
    ] = False,
    repo: Annotated[Path, typer.Option(help="A clone of the project, if not this folder.")] = Path(),
    as_json: Annotated[bool, typer.Option("--json", help="All of it, as JSON.")] = False,
) -> None:
    """Say which commits, parameters, code, data and patients a file came from."""
    from sonotrace.lineage import command

    question = command.Question(file, patient, image, images, verify, blobs)
    if not command.run(question, repo, as_json):
        raise typer.Exit(1)


@app.command()
def compare(
    a: Annotated[str, typer.Argument(help="A commit, branch, tag or experiment, or `workspace`.")],
    b: Annotated[str, typer.Argument(help="Another: the newer one.")],
    csv: Annotated[Path | None, typer.Option(help="Write the images that differ here; it names patients.")] = None,
    html: Annotated[Path | None, typer.Option(help="Write it as one page here.")] = None,
    repo: Annotated[Path, typer.Option(help="A clone of the project, if not this folder.")] = Path(),
    as_json: Annotated[bool, typer.Option("--json", help="All of it, as JSON.")] = False,
) -> None:
    """Say what differs from A to B: data, parameters, code and scores; exit code 3 if a model got worse."""
    from sonotrace.compare import comparison, page, text
    from sonotrace.running.outputs import write_bytes, write_csv

    found, images = comparison.compare(a, b, repo)
    if csv:
        write_csv(images, csv)
    if html:
        write_bytes(page.page(found).encode(), html)
    if as_json:
        print(json.dumps(found, indent=2, ensure_ascii=False))
    else:
        text.show(found)
    if found["worse"]:
        print(f"worse: {', '.join(found['worse'])}", file=sys.stderr)
        raise typer.Exit(3)


@app.command("patient-key")
def patient_key() -> None:
    """Record a check value of SONOTRACE_PATIENT_KEY, so that a wrong key is refused from then on."""
    from sonotrace.patients import pseudonyms

    print(pseudonyms.record())


@app.command("audit-labels")
def audit_labels(
    out: Annotated[Path, typer.Argument(help="Folder for tables and pictures; what it held is replaced.")] = Path(
        "audit"
    ),
    folds: Annotated[int, typer.Option(min=2, help="Parts of the patients, each judged by a net of its own.")] = 5,
) -> None:
    """List the labels that a classifier doubts, and near-duplicates that differ."""
    from sonotrace.audit import command

    command.run(out, folds)


@app.command()
def runs(
    as_json: Annotated[bool, typer.Option("--json", help="All of it, as JSON.")] = False,
) -> None:
    """Say what the last run of each stage took, and on what machine and libraries."""
    from sonotrace.running import runs

    print(json.dumps(runs.read_all(), indent=2, ensure_ascii=False) if as_json else "\n".join(runs.lines()))


@app.command()
def metrics() -> None:
    """Print the metrics of both models as tables."""
    from sonotrace.scores.table import show

    show()


@app.command()
def predict(
    paths: Annotated[list[Path], typer.Argument(help="Image files, or folders of them.")],
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a line.")] = False,
    sort_into: Annotated[
        Path | None, typer.Option(help="Copy each image into a folder here named after its predicted plane.")
    ] = None,
    draw: Annotated[Path | None, typer.Option(help="Write images with boxes here.")] = None,
    confidence: Annotated[float, typer.Option(min=0.001, max=1, help="Least confidence of a structure.")] = 0.25,
    planes_model: Annotated[Path, typer.Option(help="Model of train_cnn.")] = MODELS["planes"],
    structures_model: Annotated[Path, typer.Option(help="Model of train_yolo.")] = MODELS["structures"],
    allow_unknown: AllowUnknown = False,
) -> None:
    """Name the plane of each image and find the brain structures in it."""
    from sonotrace.lineage.known import read_model

    models = [read_model(path, Path(), allow_unknown) for path in (planes_model, structures_model)]
    for model in models:
        if model.warning:
            print(f"warning: {model.warning}", file=sys.stderr if as_json else sys.stdout, flush=True)
    trust = {
        "unknown_models": [str(model.path) for model in models if not model.known],
        "uncommitted_models": [str(model.path) for model in models if model.known and not model.committed],
    }
    # TensorFlow and PyTorch in one process can crash, and the detector needs PyTorch, so Keras uses it too.
    os.environ["KERAS_BACKEND"] = "torch"
    from sonotrace.models.classifier import PlaneClassifier
    from sonotrace.models.detector import StructureDetector
    from sonotrace.predict import images as prediction

    with native_noise_hidden():
        classifier = PlaneClassifier(models[0].content, planes_model)
        detector = StructureDetector(models[1].content, structures_model)
    files = list(prediction.image_files(paths))
    if not files:
        raise SonotraceError(f"{paths[0]}: no PNG or JPEG image in it; name image files or a folder of them")
    failed = 0
    drawn: set[str] = set()
    with bar("predict", len(files), to_stderr=True) as advance:
        for result, image in prediction.predict(files, classifier, detector, confidence):
            if as_json:
                print(json.dumps(result.as_json() | trust, ensure_ascii=False), flush=True)
            else:
                prediction.show(result)
            if image is None:
                failed += 1
            else:
                if sort_into:
                    prediction.sort_into(result, sort_into)
                if draw:
                    prediction.draw(result, image, draw, drawn)
            advance(1)
    if failed:
        print(f"error: {failed} of {len(files)} files could not be read", file=sys.stderr)
        raise typer.Exit(1)
