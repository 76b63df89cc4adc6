"""The schema of `params.yaml`: one section per stage, in it one part per data set, every value required.

The file itself says what each value decides; DVC tracks it there. No value has a default here, so that a file
states all that a run depends on. `pull` says which data sets there are and of which kind; the other sections
have a part for each of them, the trainings for those of their kind. A cohort, which is only measured on, has
no part in LEARNING.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Annotated, Any, ClassVar, TypeVar

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, create_model

from sonotrace import kinds
from sonotrace.documents import YamlError, read_yaml
from sonotrace.errors import SonotraceError
from sonotrace.kinds.kind import Kind
from sonotrace.params import roles
from sonotrace.params.augment import AugmentOne
from sonotrace.params.evaluate import EvaluateOne, EvaluateStructures
from sonotrace.params.evaluate_scope import EvaluateScope
from sonotrace.params.export_onnx import ExportPlanes, ExportStructures
from sonotrace.params.folds import Folds
from sonotrace.params.prepare import PrepareOne
from sonotrace.params.pull import PullOutOfScope, PullPlanes, PullStructures
from sonotrace.params.report import Report
from sonotrace.params.section import Section
from sonotrace.params.shards import Shards
from sonotrace.params.split import SplitOne
from sonotrace.params.train_cnn import TrainCnn
from sonotrace.params.train_yolo import TrainYolo
from sonotrace.params.validate import ValidateOne, ValidatePlanes, ValidateStructures

PATH = Path("params.yaml")

SECTIONS: dict[str, dict[str, type[Section]]] = {
    "pull": {"planes": PullPlanes, "structures": PullStructures, "out_of_scope": PullOutOfScope},
    "validate": {"planes": ValidatePlanes, "structures": ValidateStructures, "out_of_scope": ValidateOne},
    "split": {"planes": SplitOne, "structures": SplitOne, "out_of_scope": SplitOne},
    "prepare": {"planes": PrepareOne, "structures": PrepareOne, "out_of_scope": PrepareOne},
    "augment": {"planes": AugmentOne, "structures": AugmentOne},
    "train_cnn": {"planes": TrainCnn},
    "train_yolo": {"structures": TrainYolo},
    "evaluate": {"planes": EvaluateOne, "structures": EvaluateStructures},
    "evaluate_scope": {"out_of_scope": EvaluateScope},
    "export_onnx": {"planes": ExportPlanes, "structures": ExportStructures},
}
"""Section -> kind of data set -> what the part of such a data set holds; in running order."""
NAMING: dict[str, tuple[str, type[Section]]] = {"prepare": ("shards", Shards), "train_cnn": ("folds", Folds)}
"""Section -> the section before it, which names the data sets that it concerns."""

WHOLE: dict[str, type[Section]] = dict(NAMING.values()) | {"report": Report}
"""Sections without a part for each data set."""

LEARNING = ("augment", "train_cnn", "train_yolo", "export_onnx")
"""Sections in which a data set has no part if nothing learns from it. Any one part makes the others required."""

NAME = r"^[a-z][a-z0-9_]*$"
"""What a data set may be called: folders, stages and parameters carry the name."""

Part = TypeVar("Part")


class Parts(dict[str, Part]):
    """Data set -> its part of a section."""

    def __missing__(self, data_set: str) -> Part:
        """Refuse a data set that the section does not have."""
        raise SonotraceError(f"{data_set}: no such data set here; {PATH} has {', '.join(self)}")


@dataclass(frozen=True)
class Params:
    """The whole file, as section -> data set -> part."""

    pull: Mapping[str, PullPlanes | PullStructures | PullOutOfScope]
    validate: Mapping[str, ValidateOne]
    split: Mapping[str, SplitOne]
    shards: Shards
    prepare: Mapping[str, PrepareOne]
    augment: Mapping[str, AugmentOne]
    folds: Folds
    train_cnn: Mapping[str, TrainCnn]
    train_yolo: Mapping[str, TrainYolo]
    evaluate: Mapping[str, EvaluateOne]
    evaluate_scope: Mapping[str, EvaluateScope]
    export_onnx: Mapping[str, ExportPlanes | ExportStructures]
    report: Report

    @property
    def data_sets(self) -> list[str]:
        """Return the names of all data sets, in the order of the file."""
        return list(self.pull)

    @property
    def learned(self) -> list[str]:
        """Return the names of the data sets that a model learns from; the others are cohorts."""
        return [name for name in self.pull if name in getattr(self, self.kind(name).training, {})]

    def kind(self, data_set: str) -> Kind:
        """Return the kind of a data set."""
        return kinds.KINDS[self.pull[data_set].kind]


def load(path: Path = PATH) -> Params:
    """Read and check the whole file.

    Raises SonotraceError with the first key that is wrong, its value and what is allowed.
    """
    content = _read(path)
    try:
        stated = _Content.model_validate(content).pull
        schema = model(tuple((name, one.kind, _is_learned(content, name)) for name, one in stated.items()))
        checked = schema.model_validate(content)
    except ValidationError as error:
        raise SonotraceError(_first_problem(path, error)) from None
    sections: dict[str, Any] = {}
    for name, field in schema.model_fields.items():
        section = getattr(checked, name)
        if isinstance(section, Section):
            sections[str(field.alias)] = section
            continue
        names = type(section).model_fields
        sections[str(field.alias)] = Parts({str(one.alias): getattr(section, at) for at, one in names.items()})
    params = Params(**sections)
    for fault in roles.faults(params):
        raise SonotraceError(f"{path}: {fault}")
    return params


def _is_learned(content: Mapping[str, Any], data_set: str) -> bool:
    parts = (content.get(section) for section in LEARNING)
    return any(data_set in part for part in parts if isinstance(part, dict))


def _read(path: Path) -> Any:
    try:
        return read_yaml(path.read_text(encoding="utf-8"), _UniqueKeys)
    except FileNotFoundError:
        raise SonotraceError(f"{path}: not there; run from the top folder of a checkout") from None
    except UnicodeDecodeError as error:
        raise SonotraceError(f"{path}: byte {error.start} is not UTF-8; save the file as UTF-8") from None
    except YamlError as error:
        where = f"{path}:{error.line}" if error.line else f"{path}"
        raise SonotraceError(f"{where}: {error.reason}; correct the YAML there") from None


class _UniqueKeys(yaml.SafeLoader):
    """YAML 1.2, as DVC reads and writes it, but a repeated key is an error: the last one would silently win.

    PyYAML follows YAML 1.1, where 5e-05 is text, 010 is eight, 1:30 is ninety, and `no` is false.
    """

    yaml_implicit_resolvers: ClassVar = {}  # type: ignore[misc]

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen = set()
        for key in _scalar_keys(node):
            if key.value in seen:
                raise yaml.composer.ComposerError(None, None, f"key {key.value} is there twice", key.start_mark)
            seen.add(key.value)
        return super().construct_mapping(node, deep)


def _scalar_keys(node: yaml.Node) -> list[yaml.ScalarNode]:
    """Return the keys of a mapping; a scalar with the tag of a mapping has none."""
    pairs = node.value if isinstance(node, yaml.MappingNode) else ()
    return [key for key, _ in pairs if isinstance(key, yaml.ScalarNode)]


def _text(loader: yaml.SafeLoader, node: yaml.ScalarNode) -> str:
    text = str(loader.construct_scalar(node))
    if any("\ud800" <= one <= "\udfff" for one in text):
        raise yaml.constructor.ConstructorError(None, None, "half of a character (a lone surrogate)", node.start_mark)
    return text


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
_UniqueKeys.add_constructor("tag:yaml.org,2002:str", _text)


class _Stated(BaseModel):
    """What is read of a data set first, since it decides what else has to be there."""

    kind: str


class _Content(BaseModel):
    pull: dict[Annotated[str, Field(pattern=NAME)], _Stated]


@cache
def model(data_sets: tuple[tuple[str, str, bool], ...]) -> type[BaseModel]:
    """Return the model of a file with these data sets: of each, name, kind, and whether a model learns from it.

    Attributes have names of their own, since a data set may be called what pydantic calls a method.
    """
    config = ConfigDict(extra="forbid", frozen=True, strict=True)
    sections: dict[str, Any] = {}
    for section, parts in SECTIONS.items():
        if section in NAMING:
            name, naming = NAMING[section]
            sections[f"section_{name}"] = (naming, Field(alias=name))
        # Of an unknown kind the first part will do: it says which kinds there are.
        own = {
            f"part{at}": (parts.get(kind, next(iter(parts.values()))), Field(alias=name))
            for at, (name, kind, is_learned) in enumerate(data_sets)
            if section == "pull" or (kind in parts and (is_learned or section not in LEARNING))
        }
        sections[f"section_{section}"] = (
            create_model(section, __config__=config, **own),  # type: ignore[call-overload]
            Field(alias=section),
        )
    sections["section_report"] = (Report, Field(alias="report"))
    found: type[BaseModel] = create_model("params", __config__=config, **sections)
    return found


def _first_problem(path: Path, error: ValidationError) -> str:
    problem: Any = error.errors(include_url=False)[0]
    parts = [str(part) for part in problem["loc"]]
    if parts[-1:] == ["[key]"]:
        return f"{path}: pull.{problem['input']}: no name for a data set; use small letters, digits and _"
    key = ".".join(part for part in parts if "[" not in part and part != "constrained-int") or "the file"
    others = error.error_count() - 1
    more = f" (and {others} more)" if others else ""
    if problem["type"] == "extra_forbidden" and len(parts) == 2:
        return f"{path}: {key}: pull has no data set of that name and kind; correct the name, or add it there{more}"
    if problem["type"] == "extra_forbidden":
        return f"{path}: {key}: no such parameter; remove it or correct its name{more}"
    if problem["type"] == "missing":
        is_cohort = len(parts) == 2 and parts[0] in LEARNING
        cohort = (
            f", or remove {parts[1]} from {', '.join(LEARNING)} if it is only to be measured on" if is_cohort else ""
        )
        return f"{path}: {key}: missing; add it as in the file the project ships{cohort}{more}"
    message = problem["msg"].removeprefix("Value error, ")
    if problem["type"] == "value_error" and isinstance(problem["input"], dict):
        name, _, message = message.partition(": ")
        key = f"{key}.{name}"
    value = problem["input"]
    shown = "" if isinstance(value, dict) else f" is {value!r}"
    return f"{path}: {key}{shown}: {message[0].lower()}{message[1:]}{more}"
