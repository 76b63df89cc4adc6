"""lineage: which commits, parameters, code, data and patients a file came from, or which models know a patient."""

import json
import sys
from dataclasses import dataclass
from pathlib import Path

from sonotrace.errors import SonotraceError
from sonotrace.lineage import text
from sonotrace.lineage.form import plain
from sonotrace.lineage.origins import FileLineage, of_file
from sonotrace.lineage.people import PersonLineage, of_person


@dataclass(frozen=True)
class Question:
    """What is asked: of one of a file, a patient or an image."""

    file: Path | None = None
    patient: str | None = None
    image: str | None = None
    with_images: bool = False
    verify: bool = False
    blobs: bool = False


def run(question: Question, repo: Path, as_json: bool) -> bool:
    """Print the answer; return whether it holds, which it does not where something not seen could change it.

    Nor does it hold for unknown bytes, or where `verify` found altered ones. Raises SonotraceError where the
    question asks of none, or several.
    """
    if sum(given is not None for given in (question.file, question.patient, question.image)) != 1:
        raise SonotraceError("lineage: needs one of FILE, --patient ID and --image ID; `sonotrace lineage --help`")
    if question.blobs:
        return _blobs(question, repo)
    if question.file is not None:
        answer = of_file(question.file, repo, question.with_images, question.verify)
        _print(answer, as_json)
        altered = any("altered" in (origin.verified or {}).values() for origin in answer.origins)
        return bool(answer.origins) and not altered
    person = (
        of_person("image", question.image, repo)
        if question.image is not None
        else of_person("patient", question.patient or "", repo)
    )
    _print(person, as_json)
    return not person.claims_too_much


def _print(answer: FileLineage | PersonLineage, as_json: bool) -> None:
    if as_json:
        print(json.dumps(plain(answer), indent=2, ensure_ascii=False))
    else:
        lines = text.file_lines(answer) if isinstance(answer, FileLineage) else text.person_lines(answer)
        print("\n".join(lines))


def _blobs(question: Question, repo: Path) -> bool:
    if question.patient is None:
        raise SonotraceError("lineage: --blobs needs --patient ID; it lists that patient's image files")
    from sonotrace.lineage.blobs import blobs_of  # takes OpenCV along, which no other question needs

    found = blobs_of(question.patient, repo)
    for md5, path in found.paths.items():
        print(md5, path)
    for missing in found.missing:
        print(f"error: {missing}", file=sys.stderr)
    return not found.missing
