"""All that the report says of one data set and is in no metric and no plot: one JSON file, pictures included."""

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Self

from sonotrace.errors import SonotraceError


@dataclass(frozen=True)
class Box:
    """A box drawn over a picture, px of the prepared image."""

    structure: str
    verdict: str
    """`found` (a true box that was found), `missed` (a true box that was not), `hit` or `false` (predicted boxes)."""
    x0: float
    y0: float
    x1: float
    y1: float
    confidence: float | None = None
    """Of a predicted box, 0 to 1."""
    overlap: float | None = None
    """Of a hit with its true box, of a false box with the nearest of its structure: intersection over union."""


@dataclass(frozen=True)
class Case:
    """One image with what the model says of it."""

    code: str
    """First digits of the image file's sha256: names it to whoever has the data, and to nobody else."""
    name: str
    """Image id; empty where patients are hidden."""
    patient: str
    """`patient 1` and so on where patients are hidden, in the order of the cases."""
    scanner: str
    site: str
    width: int
    """Of the prepared image, px."""
    height: int
    actual: str
    """Label; of structures, the true ones in the image."""
    predicted: str
    """Class of the highest probability; of structures, those found."""
    confidence: float | None
    """Of planes the highest probability, of structures that of the surest false box; 0 to 1."""
    in_scope: bool = True
    """False where the model gives the image no class."""
    probabilities: dict[str, float] = field(default_factory=dict)
    boxes: list[Box] = field(default_factory=list)
    picture: str = ""
    """JPEG, base64."""

    @property
    def is_wrong(self) -> bool:
        """Return whether the answer is wrong, or any box missed or false."""
        return self.missed + self.false > 0 if self.boxes else self.actual != self.predicted

    @property
    def missed(self) -> int:
        """Return how many true boxes were not found."""
        return sum(box.verdict == "missed" for box in self.boxes)

    @property
    def false(self) -> int:
        """Return how many predicted boxes are of nothing."""
        return sum(box.verdict == "false" for box in self.boxes)


@dataclass(frozen=True)
class SetApart:
    """One row of the quarantine."""

    code: str
    """As of a case; empty without an image."""
    name: str
    """File; empty where patients are hidden."""
    reason: str
    detail: str
    """Empty where patients are hidden and it may name one."""
    picture: str = ""
    """JPEG, base64; empty where there is none or it cannot be read."""


@dataclass(frozen=True)
class Count:
    """Images and patients of one group on one side."""

    by: str
    """`class`, `scanner` or `site`."""
    group: str
    side: str
    images: int
    patients: int


@dataclass(frozen=True)
class File:
    """A file that a stage wrote, with its hash as `dvc.lock` has it."""

    path: str
    stage: str
    md5: str


@dataclass(frozen=True)
class Gathered:
    """What `gather` leaves of a data set."""

    data_set: str
    kind: str
    model: str
    """Path of the model that was measured."""
    model_bytes: int
    trained_on: str
    """The data set that the model was trained on: this one, unless it is a cohort or out of scope."""
    names: list[str]
    """Classes in the model's order; labels of a data set out of scope."""
    snapshot: dict[str, Any]
    data: dict[str, Any]
    split: dict[str, Any]
    counts: list[Count]
    confusion: dict[str, dict[str, int]]
    """Actual -> predicted -> images; empty of structures."""
    refused: int
    """Test images that the model gives no class."""
    detections: dict[str, dict[str, int]]
    """Structure -> `boxes`, `found`, `missed`, `false`; empty of planes."""
    cases: list[Case]
    """The worst first."""
    set_apart: list[SetApart]
    files: list[File]

    def json(self) -> str:
        """Return the file's content."""
        return json.dumps(asdict(self), indent=1, ensure_ascii=False) + "\n"

    @classmethod
    def read(cls, path: Path) -> Self:
        """Read it again; raises SonotraceError where it is not there."""
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            raise SonotraceError(f"{path}: not there; run `dvc repro` to make it") from None
        parts = {"counts": Count, "set_apart": SetApart, "files": File}
        made = {name: [part(**one) for one in content[name]] for name, part in parts.items()}
        cases = [Case(**one | {"boxes": [Box(**box) for box in one["boxes"]]}) for one in content["cases"]]
        return cls(**content | made | {"cases": cases})
