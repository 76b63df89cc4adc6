"""CycloneDX ML-BOM: the models with their cards, what they were trained on, and the locked dependencies.

CycloneDX 1.6, JSON (https://cyclonedx.org/docs/1.6/json/). cyclonedx-python-lib writes the document and
validates it; it has no classes for model cards and data, so these are put into its JSON before that.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import NAMESPACE_URL, uuid5

from sonotrace import __version__
from sonotrace.errors import SonotraceError
from sonotrace.export import LICENCE, record
from sonotrace.export.kinds import words
from sonotrace.export.record import Record
from sonotrace.export.requirements import packages
from sonotrace.kinds.kind import Kind
from sonotrace.models.published import origin
from sonotrace.records.lock import flat, text
from sonotrace.report import LIMITS
from sonotrace.running.outputs import write_bytes

PROPERTY = "sonotrace:"
ROOT = "sonotrace"


def write(top: Path, out: Path) -> None:
    """Write the ML-BOM of the run checked out in `top` to the new file `out`.

    Raises SonotraceError where the workspace is not as recorded or `out` is there already.
    """
    from cyclonedx.schema import SchemaVersion
    from cyclonedx.validation.json import JsonStrictValidator

    record.require_new(out)
    content = document(record.read(top))
    error = JsonStrictValidator(SchemaVersion.V1_6).validate_str(content)
    if error:
        raise SonotraceError(f"{out}: would not be CycloneDX 1.6 ({' '.join(str(error).split())[:200]}); report it")
    write_bytes(content.encode(), out)


def document(run: Record) -> str:
    """Return the BOM of a run as JSON."""
    from cyclonedx.output.json import JsonV1Dot6

    bom = _bom(run)
    content = json.loads(JsonV1Dot6(bom).output_as_string())
    for component in content["components"]:
        kind, _, data_set = component["bom-ref"].partition(":")
        if kind == "model":
            component["modelCard"] = _card(run, data_set)
            component.update(_pedigree(run, data_set))
        elif kind == "data":
            component["data"] = [_data(run, data_set)]
    # Made from the content, not drawn, so that two exports of a commit are one document.
    del content["serialNumber"]
    content["serialNumber"] = f"urn:uuid:{uuid5(NAMESPACE_URL, json.dumps(content, sort_keys=True))}"
    return json.dumps(content, indent=2, sort_keys=True, ensure_ascii=False) + "\n"


def _bom(run: Record) -> Any:
    from cyclonedx.model import HashAlgorithm, HashType, Property
    from cyclonedx.model.bom import Bom
    from cyclonedx.model.component import Component, ComponentType
    from cyclonedx.model.license import DisjunctiveLicense
    from packageurl import PackageURL

    def sha256(digest: str) -> HashType:
        return HashType(alg=HashAlgorithm.SHA_256, content=digest)

    bom = Bom()
    root = Component(
        bom_ref=ROOT,
        name=ROOT,
        version=__version__,
        type=ComponentType.APPLICATION,
        licenses=[DisjunctiveLicense(id=LICENCE)],
        description="A reproducible, data-versioned workflow for fetal ultrasound",
        properties=[Property(name=f"{PROPERTY}commit", value=run.commit.id)],
    )
    bom.metadata.component, bom.metadata.timestamp = root, run.date
    needed = []
    for data_set in run.learned:
        snapshot, file = run.snapshot(data_set), run.file(run.model(data_set))
        data = Component(
            bom_ref=f"data:{data_set}",
            name=data_set,
            version=snapshot["version"] or None,
            type=ComponentType.DATA,
            licenses=[DisjunctiveLicense(name=snapshot["licence"])] if snapshot["licence"] else [],
            description=f"Data snapshot, from the source {snapshot['source']}",
            properties=[Property(name=f"{PROPERTY}fingerprint", value=snapshot["fingerprint"])],
        )
        model = Component(
            bom_ref=f"model:{data_set}",
            name=Path(run.model(data_set)).name,
            version=run.commit.id,
            type=ComponentType.MACHINE_LEARNING_MODEL,
            hashes=[sha256(file.sha256)],
            description=words(run.kind(data_set)).purpose,
            properties=[
                Property(name=f"{PROPERTY}{key}", value=_shown(value))
                for key, value in flat(run.trained(data_set).parameters).items()
            ],
        )
        bom.components |= {data, model}
        bom.register_dependency(model, [data])
        needed.append(model)
    for package in packages(run.top / record.REQUIREMENTS):
        library = Component(
            bom_ref=f"pypi:{package.name}@{package.version}",
            name=package.name,
            version=package.version,
            type=ComponentType.LIBRARY,
            purl=PackageURL("pypi", None, package.name, package.version),
            hashes=[sha256(digest) for digest in package.hashes],
            properties=[Property(name=f"{PROPERTY}marker", value=package.marker)] if package.marker else [],
        )
        bom.components.add(library)
        needed.append(library)
    bom.register_dependency(root, needed)
    return bom


def _pedigree(run: Record, data_set: str) -> dict[str, Any]:
    """Return which published weights a model began with; nothing for one that was trained from nothing."""
    if run.kind(data_set).training != "train_cnn":
        return {}
    settings = run.settings(data_set)
    weights = str(settings.get("weights", "none"))
    begun = origin(str(settings.get("architecture")), weights, settings.get("weights_sha256"))
    if not begun:
        return {}
    ancestor: dict[str, Any] = {
        "type": "machine-learning-model",
        "name": Path(begun["name"]).name,
        "hashes": [{"alg": "SHA-256", "content": begun["sha256"]}],
    }
    if "licence" in begun:
        ancestor["licenses"] = [{"license": {"id": begun["licence"]}}]
        ancestor["description"] = f"{begun['source']}; from the package {begun['package']}"
    return {"pedigree": {"ancestors": [ancestor]}}


def _card(run: Record, data_set: str) -> dict[str, Any]:
    scores, kind = run.scores(data_set), run.kind(data_set)
    return {
        "modelParameters": {
            "approach": {"type": "supervised"},
            "task": words(kind).task,
            "architectureFamily": "convolutional neural network",
            "modelArchitecture": _shown(run.settings(data_set)[words(kind).architecture]),
            "datasets": [{"ref": f"data:{data_set}"}],
        },
        "quantitativeAnalysis": {"performanceMetrics": list(_metrics(scores, kind))},
        "considerations": {
            "useCases": [f"Research: {words(kind).purpose}."],
            "technicalLimitations": [
                LIMITS,
                words(kind).limit,
                f"Measured on {_measured_on(scores)} of one data snapshot; intervals: {scores['interval']}.",
                "The scores say nothing of other scanners, operators and populations.",
            ],
        },
    }


def _shown(value: Any) -> str:
    """Write a parameter's value; of weights somewhere on this machine, only their file name."""
    return Path(value).name if isinstance(value, str) and Path(value).is_absolute() else text(value)


def _measured_on(scores: dict[str, Any]) -> str:
    counts = [f"{scores[key]} test {key.removeprefix('n_')}" for key in scores if key.startswith("n_")]
    return ", ".join(counts)


def _metrics(scores: dict[str, Any], kind: Kind) -> Iterator[dict[str, Any]]:
    """Yield each score with its interval; one that could not be computed has no value."""
    groups = {"overall": scores["overall"], **scores[kind.per_class]}
    for name, group in groups.items():
        for score, figure in group.items():
            if score == "n" or figure["value"] is None:
                continue
            metric = {"type": score, "slice": name, "value": str(figure["value"])}
            bounds = {"lowerBound": figure["low"], "upperBound": figure["high"]}
            known = {bound: str(value) for bound, value in bounds.items() if value is not None}
            yield metric | ({"confidenceInterval": known} if known else {})


def _data(run: Record, data_set: str) -> dict[str, Any]:
    """Return counts of a snapshot and its sides; no patient and no image is named."""
    facts = flat({"snapshot": run.snapshot(data_set), "sides": run.sides(data_set)})
    values = [
        {"name": f"{PROPERTY}{key}", "value": text(value)} for key, value in facts.items() if value not in ("", {})
    ]
    return {"type": "dataset", "name": data_set, "contents": {"properties": values}}
