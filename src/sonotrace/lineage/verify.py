"""The workspace against `dvc.lock`, the manifests and the stored predictions: every byte, hashed again.

DVC's own status trusts times and sizes of files that it has seen before; here nothing is trusted.
"""

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from sonotrace import scores
from sonotrace.documents import read_yaml
from sonotrace.errors import SonotraceError
from sonotrace.images.preparation import Preparation
from sonotrace.params import load
from sonotrace.places import METRICS, folder
from sonotrace.records.history import LOCK, History, folder_md5
from sonotrace.records.lock import Link, Step, asks_for, data_sets, flat, read
from sonotrace.records.store import Store, md5_of
from sonotrace.running.parallel import in_order
from sonotrace.scores import groups, localisation, robustness
from sonotrace.scores.report import files
from sonotrace.tables import read_table

IGNORED = ("__pycache__", ".snakemake_timestamp")
"""What DVC does not count either (.dvcignore)."""


def problems(top: Path) -> Iterator[str]:
    """Yield a line for everything that is not as it was recorded: path, what is wrong, remedy.

    `top` is the top folder of a checkout, and the working directory. Raises SonotraceError where it has
    no readable `dvc.lock`.
    """
    text, found = current(top)
    history = History(top)
    if history.file("HEAD", LOCK) != text:
        yield f"{LOCK}: not as in the last commit; commit it after `dvc repro`, or restore it with git"
    yield from unlike({link for step in found.values() for link in step.links}, top, history)
    yield from other_parameters(found, top)
    for data_set in data_sets(found):
        yield from _manifest(data_set)
        yield from _metrics(data_set)


def current(top: Path) -> tuple[bytes, dict[str, Step]]:
    """Return the workspace's `dvc.lock` as bytes, and its stages, but not shards that `params.yaml` no longer asks for.

    Raises SonotraceError where it is missing or cannot be read.
    """
    try:
        text = (top / LOCK).read_bytes()
    except FileNotFoundError:
        raise SonotraceError(f"{LOCK}: not there; run `dvc repro`, or go to the top folder of a checkout") from None
    asked = _parameters(top) if (top / "params.yaml").is_file() else {}
    return text, {name: step for name, step in read(text).items() if asks_for(asked, name)}


def _parameters(top: Path) -> dict[str, Any]:
    path = top / "params.yaml"
    try:
        found = read_yaml(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise SonotraceError(f"{path}: {error}; correct it, or restore it with git") from None
    if not isinstance(found, dict):
        raise SonotraceError(f"{path}: holds no parameters; restore it with git")
    return flat(found)


def unlike(links: Iterable[Link], top: Path, history: History) -> Iterator[str]:
    """Yield a line for each file of `links` that the workspace lacks, or has with other bytes; every byte is hashed."""
    store = Store(history)
    for path, md5 in sorted({(link.path, link.md5) for link in links}):
        at = top / path
        if not at.exists():
            yield f"{path}: missing; `dvc checkout` or git brings it back"
        elif not md5.endswith(".dir"):
            if not at.is_file() or md5_of(at) != md5:
                yield f"{path}: altered; not what {LOCK} names"
        else:
            yield from _folder(path, md5, at, store, history)


def _folder(path: str, md5: str, at: Path, store: Store, history: History) -> Iterator[str]:
    files = sorted(file for file in at.rglob("*") if file.is_file() and not set(file.parts) & set(IGNORED))
    hashes = dict(zip((file.relative_to(at).as_posix() for file in files), in_order(md5_of, files), strict=True))
    if folder_md5(hashes) == md5:
        return
    expected = store.members(md5)
    if expected is None:
        expected = history.members("HEAD", path)
        if folder_md5(expected) != md5:
            yield f"{path}: altered; not what {LOCK} names, and neither DVC's cache nor git can say which file"
            return
    for name in sorted(expected.keys() | hashes.keys()):
        if name not in hashes:
            yield f"{path}/{name}: missing; `dvc checkout` brings it back"
        elif name not in expected:
            yield f"{path}/{name}: extra; {LOCK} does not name it"
        elif hashes[name] != expected[name]:
            yield f"{path}/{name}: altered; not what {LOCK} names"


def other_parameters(found: Mapping[str, Step], top: Path) -> Iterator[str]:
    """Yield a line for each value of params.yaml that is not the one a stage ran with."""
    now = _parameters(top)
    for step in found.values():
        for key, value in flat(step.parameters).items():
            if now.get(key) != value:
                yield f"params.yaml: {key} is {now.get(key)!r}, but {step.stage} ran with {value!r}; `dvc repro`"


def _manifest(data_set: str) -> Iterator[str]:
    """Hold each image to its sha256 in the manifest."""
    pull = folder(data_set, "pull")
    try:
        files = read_table(pull / "manifest.csv").drop_duplicates("file").set_index("file")["sha256"].to_dict()
    except SonotraceError:
        return  # said above already
    present = [name for name in files if name and (pull / "images" / name).is_file()]

    def sha256(name: str) -> str:
        return hashlib.sha256((pull / "images" / name).read_bytes()).hexdigest()

    for name, digest in zip(present, in_order(sha256, present), strict=True):
        if digest != files[name]:
            yield f"{pull}/images/{name}: sha256 is not the manifest's"


def _metrics(data_set: str) -> Iterator[str]:
    """Compute metrics again from stored predictions."""
    params = load()
    stage = "evaluate" if data_set in params.evaluate else "evaluate_scope"
    evaluation, kind = getattr(params, stage)[data_set], params.kind(data_set)
    try:
        predictions = read_table(folder(data_set, stage) / "predictions.csv")
        table = read_table(folder(data_set, "split") / "split.csv")
        test = table[table["side"] == "test"].reset_index(drop=True)
        boxes = read_table(folder(data_set, "prepare") / "boxes.csv")
        again = files(*scores.of(kind).metrics(predictions, test, boxes, evaluation))
        if stage == "evaluate":
            again["_groups"] = groups.by_group(kind, predictions, test, boxes, evaluation)
            prepared = Preparation.from_mapping(params.prepare[data_set].model_dump())
            again["_localisation"] = localisation.by_structure(predictions, test, boxes, prepared, evaluation)
            changed = read_table(folder(data_set, stage) / "anatomy" / "changed.csv")
            again["_robustness"] = robustness.by_change(kind, predictions, changed, evaluation)
    except (SonotraceError, ValueError, KeyError) as error:
        yield f"{METRICS / data_set}.json: cannot be computed again ({' '.join(str(error).split())})"
        return
    for ending, computed in again.items():
        file = METRICS / f"{data_set}{ending}.json"
        if _read(file) != json.loads(json.dumps(computed)):
            yield f"{file}: not what the stored predictions give"


def _read(file: Path) -> Any:
    try:
        return json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
