"""The schema of `params.yaml`: one section a stage, every value required, unknown keys refused.

The file itself says what each value decides; DVC tracks it there. No value has a default here, so
that a file states all that a run depends on.
"""

import re
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, Self

import yaml
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator

from sonotrace.errors import SonotraceError

PATH = Path("params.yaml")


class Section(BaseModel):
    """A part of `params.yaml`: fixed once read, ill-typed values and unknown keys are errors."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


def _names_a_patient(pattern: str) -> str:
    try:
        groups = re.compile(pattern).groupindex
    except re.error as error:
        raise ValueError(f"not a regular expression ({error})") from None
    if "patient" not in groups:
        raise ValueError("needs a group named patient, such as '^Patient(?P<patient>[0-9]+)_'")
    return pattern


def _is_a_box(crop: list[int]) -> list[int]:
    if len(crop) != 4 or crop[0] >= crop[2] or crop[1] >= crop[3]:
        raise ValueError("a crop box is [left, top, right, bottom] in px, left before right and top above bottom")
    return crop


Pattern = Annotated[str, AfterValidator(_names_a_patient)]
Fraction = Annotated[float, Field(ge=0, le=1)]
Share = Annotated[float, Field(gt=0, lt=1)]
Seed = Annotated[int, Field(ge=0, le=2**32 - 1)]
Pixels = Annotated[int, Field(ge=32, le=4096)]
Threads = Annotated[int, Field(ge=1, le=256)]
Slug = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$")]
Crop = Annotated[list[Annotated[int, Field(ge=0)]], AfterValidator(_is_a_box)]
Device = Literal["auto", "cpu", "gpu"]


class Phantom(Section):
    images: Annotated[int, Field(ge=1)]
    seed: Seed


class PhantomExport(Phantom):
    copies: Annotated[int, Field(ge=1, le=10)]


class Dicom(Section):
    frames: Literal["middle", "all"] | Annotated[int, Field(ge=1)]
    crops: dict[str, Crop]


class Incoming(Section):
    dicom: Dicom


class IncomingTable(Incoming):
    table: str


class Remote(Section):
    max_megabytes: Annotated[int, Field(ge=1)]
    max_minutes: Annotated[int, Field(ge=1)]


class Zenodo(Remote):
    record: Annotated[int, Field(ge=1)]
    table: str
    address: Annotated[str, Field(pattern=r"^https?://[^/?#@]+$")]


class Roboflow(Remote):
    workspace: Slug
    project: Slug
    version: Annotated[int, Field(ge=1)]


class RoboflowPlanes(Roboflow):
    format: Literal["folder"]


class RoboflowStructures(Roboflow):
    format: Literal["yolov8", "coco"]


class PullPlanes(Section):
    source: Literal["phantom", "incoming", "zenodo", "roboflow"]
    patient_pattern: Pattern
    phantom: Phantom
    incoming: IncomingTable
    zenodo: Zenodo
    roboflow: RoboflowPlanes


class PullStructures(Section):
    source: Literal["phantom", "incoming", "roboflow"]
    patient_pattern: Pattern
    phantom: PhantomExport
    incoming: Incoming
    roboflow: RoboflowStructures


class Pull(Section):
    planes: PullPlanes
    structures: PullStructures


class ValidateOne(Section):
    max_quarantined: Fraction
    conflicting_labels: Literal["stop", "quarantine"]


class ValidatePlanes(ValidateOne):
    classes: Literal["four", "six"]


class Validate(Section):
    planes: ValidatePlanes
    structures: ValidateOne


class Fractions(Section):
    train: Share
    val: Share
    test: Share

    @model_validator(mode="after")
    def _add_up(self) -> Self:
        total = self.train + self.val + self.test
        if abs(total - 1) > 1e-9:
            raise ValueError(f"train: train, val and test must add up to 1, not {total:g}")
        return self


class SplitOne(Section):
    salt: str
    use_official: bool
    fractions: Fractions
    test_patients_may_move: bool


class Split(Section):
    planes: SplitOne
    structures: SplitOne


class PrepareOne(Section):
    width: Pixels
    height: Pixels
    aspect: Literal["stretch", "letterbox"]
    mask_overlays: bool


class Prepare(Section):
    planes: PrepareOne
    structures: PrepareOne


class AugmentOne(Section):
    copies: Annotated[int, Field(ge=0, le=100)]
    seed: Seed
    rotation: Annotated[list[Annotated[float, Field(ge=0, le=180)]], Field(min_length=2, max_length=2)]
    shift: Annotated[float, Field(ge=0, le=0.5)]
    zoom: Annotated[float, Field(ge=0, le=0.5)]
    shear: Annotated[float, Field(ge=0, le=0.5)]
    flip: Fraction
    blur: Annotated[float, Field(ge=0, le=20)]
    brightness: Fraction
    contrast: Annotated[float, Field(ge=0, lt=1)]
    min_visible: Fraction

    @model_validator(mode="after")
    def _ascending(self) -> Self:
        if self.rotation[0] > self.rotation[1]:
            raise ValueError(f"rotation: least angle first, not {self.rotation}")
        return self


class Augment(Section):
    planes: AugmentOne
    structures: AugmentOne


class Training(Section):
    epochs: Annotated[int, Field(ge=1)]
    batch: Annotated[int, Field(ge=1)]
    seed: Seed
    threads: Threads
    device: Device
    mixed_precision: bool


class TrainCnn(Training):
    architecture: Literal["residual", "published"]
    learning_rate: Annotated[float, Field(gt=0, le=1)]
    class_weights: bool


class TrainYolo(Training):
    weights: str
    weights_sha256: Annotated[str, Field(pattern="^[0-9a-f]{64}$")] | None
    imgsz: Annotated[int, Field(ge=32, multiple_of=32)]
    rect: bool
    nominal_batch: Annotated[int, Field(ge=1)]
    mosaic: Fraction
    close_mosaic: Annotated[int, Field(ge=0)]
    fliplr: Fraction

    @model_validator(mode="after")
    def _pinned(self) -> Self:
        if self.weights.endswith(".pt") and self.weights_sha256 is None:
            raise ValueError(f"weights_sha256: {self.weights} holds weights: give their sha256")
        return self


class EvaluateOne(Section):
    bootstrap: Annotated[int, Field(ge=100)]
    seed: Seed


class EvaluateStructures(EvaluateOne):
    confidence: Share


class Evaluate(Section):
    planes: EvaluateOne
    structures: EvaluateStructures


class Params(Section):
    pull: Pull
    validate_: Annotated[Validate, Field(alias="validate")]
    split: Split
    prepare: Prepare
    augment: Augment
    train_cnn: TrainCnn
    train_yolo: TrainYolo
    evaluate: Evaluate


def load(path: Path = PATH) -> Params:
    """Read and check the whole file.

    Raises SonotraceError with the first key that is wrong, its value and what is allowed.
    """
    try:
        content = yaml.load(path.read_text(encoding="utf-8"), Loader=_UniqueKeys)  # noqa: S506 - a SafeLoader
    except FileNotFoundError:
        raise SonotraceError(f"{path}: not there; run from the top folder of a checkout") from None
    except UnicodeDecodeError as error:
        raise SonotraceError(f"{path}: byte {error.start} is not UTF-8; save the file as UTF-8") from None
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f"{path}:{mark.line + 1}" if mark else f"{path}"
        reason = getattr(error, "problem", None) or "not YAML"
        raise SonotraceError(f"{where}: {reason}; mend the YAML there") from None
    try:
        return Params.model_validate(content)
    except ValidationError as error:
        raise SonotraceError(_first_problem(path, error)) from None


class _UniqueKeys(yaml.SafeLoader):
    """YAML 1.2, as DVC reads and writes it, but a key given twice is an error rather than silently the last.

    PyYAML follows YAML 1.1, where 5e-05 is text, 010 is eight, 1:30 is ninety, and `no` is false.
    """

    yaml_implicit_resolvers: ClassVar = {}  # type: ignore[misc]

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen = set()
        for key, _ in node.value:
            if key.value in seen:
                raise yaml.composer.ComposerError(None, None, f"key {key.value} stands twice", key.start_mark)
            seen.add(key.value)
        return super().construct_mapping(node, deep)


def _integer(loader: yaml.SafeLoader, node: yaml.ScalarNode) -> int:
    text = str(loader.construct_scalar(node))
    return int(text, 0) if text[:2] in ("0x", "0o") else int(text)


_SCALARS = {
    "null": r"~|null|Null|NULL|",
    "bool": r"true|True|TRUE|false|False|FALSE",
    "int": r"[-+]?[0-9]+(_[0-9]+)*|0o[0-7]+|0x[0-9a-fA-F]+",
    "float": r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)",
    "merge": r"<<",
}
"""The core schema of YAML 1.2 (section 10.3.2), and what DVC's reader takes besides: 1_000 and merge keys."""
for _tag, _pattern in _SCALARS.items():
    _UniqueKeys.add_implicit_resolver(f"tag:yaml.org,2002:{_tag}", re.compile(f"^(?:{_pattern})$"), None)
_UniqueKeys.add_constructor("tag:yaml.org,2002:int", _integer)


def _first_problem(path: Path, error: ValidationError) -> str:
    problem: Any = error.errors(include_url=False)[0]
    parts = [str(part) for part in problem["loc"]]
    key = ".".join(part for part in parts if "[" not in part and part != "constrained-int") or "the file"
    others = error.error_count() - 1
    more = f" (and {others} more)" if others else ""
    if problem["type"] == "extra_forbidden":
        return f"{path}: {key}: no such parameter; remove it or correct its name{more}"
    if problem["type"] == "missing":
        return f"{path}: {key}: missing; add it as in the file the project ships{more}"
    message = problem["msg"].removeprefix("Value error, ")
    if problem["type"] == "value_error" and isinstance(problem["input"], dict):
        name, _, message = message.partition(": ")
        key = f"{key}.{name}"
    value = problem["input"]
    shown = "" if isinstance(value, dict) else f" is {value!r}"
    return f"{path}: {key}{shown}: {message[0].lower()}{message[1:]}{more}"
