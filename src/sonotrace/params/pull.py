"""The section `pull`: where the images of each data set come from."""

import re
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from sonotrace.params.section import Section, Seed


def _names_a_patient(pattern: str) -> str:
    try:
        groups = re.compile(pattern).groupindex
    except (re.error, OverflowError, RecursionError) as error:
        raise ValueError(f"not a regular expression ({error})") from None
    if "patient" not in groups:
        raise ValueError("needs a group named patient, such as '^Patient(?P<patient>[0-9]+)_'")
    return pattern


def _is_a_box(crop: list[int]) -> list[int]:
    if len(crop) != 4 or crop[0] >= crop[2] or crop[1] >= crop[3]:
        raise ValueError("a crop box is [left, top, right, bottom] in px, left before right and top above bottom")
    return crop


Pattern = Annotated[str, AfterValidator(_names_a_patient)]
Slug = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$")]
Crop = Annotated[list[Annotated[int, Field(ge=0)]], AfterValidator(_is_a_box)]


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
    kind: Literal["planes"]
    patient_pattern: Pattern
    phantom: Phantom
    incoming: IncomingTable
    zenodo: Zenodo
    roboflow: RoboflowPlanes


class PullOutOfScope(Section):
    source: Annotated[Literal["incoming"], Field(description="your own files, in data/incoming/<data set>")]
    kind: Annotated[Literal["out_of_scope"], Field(description="what the labels are: any text, as images are no class")]
    patient_pattern: Annotated[
        Pattern, Field(description="finds the patient in the file name; '(?P<patient>.+)': each image is its own")
    ]
    incoming: IncomingTable


class PullStructures(Section):
    source: Literal["phantom", "incoming", "roboflow"]
    kind: Literal["structures"]
    patient_pattern: Pattern
    phantom: PhantomExport
    incoming: Incoming
    roboflow: RoboflowStructures
