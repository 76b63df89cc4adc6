"""RO-Crate: the run as a folder that explains itself, by the Workflow Run profile.

RO-Crate 1.1 and Workflow Run Crate 0.5 (https://www.researchobject.org/workflow-run-crate), written by
rocrate. The crate holds what git holds of the run, and the models. Data sets are described and not
copied: neither images nor tables that name patients are in it.
"""

from io import StringIO
from pathlib import Path
from typing import Any

from sonotrace.errors import SonotraceError
from sonotrace.export import LICENCE, record
from sonotrace.export.record import GRAPH, PARAMETERS, REQUIREMENTS, Record
from sonotrace.export.requirements import packages
from sonotrace.places import REPORTS
from sonotrace.records.history import LOCK
from sonotrace.report import LIMITS
from sonotrace.running.outputs import building

WORKFLOW_CRATE = "https://w3id.org/workflowhub/workflow-ro-crate/1.0"
PROFILES = {
    "https://w3id.org/ro/wfrun/process/0.5": ("Process Run Crate", "0.5"),
    "https://w3id.org/ro/wfrun/workflow/0.5": ("Workflow Run Crate", "0.5"),
    WORKFLOW_CRATE: ("Workflow RO-Crate", "1.0"),
}
BIOSCHEMAS = "https://bioschemas.org/profiles/ComputationalWorkflow/1.0-RELEASE"
SHA256 = "https://w3id.org/ro/terms/workflow-run#sha256"
FORMATS = {
    ".json": "application/json",
    ".keras": "application/zip",
    ".lock": "text/plain",
    ".pt": "application/zip",
    ".yaml": "application/yaml",
}


def write(top: Path, out: Path) -> None:
    """Write the run checked out in `top` as an RO-Crate into the new folder `out`.

    Raises SonotraceError where the workspace is not as recorded or `out` is there already.
    """
    record.require_new(out)
    crate = _crate(record.read(top))
    with building(out) as made:
        crate.write(made)


def _crate(run: Record) -> Any:
    from rocrate.rocrate import ROCrate

    crate = ROCrate(version="1.1")
    crate.metadata.extra_terms["sha256"] = SHA256
    crate.metadata["conformsTo"] = [{"@id": "https://w3id.org/ro/crate/1.1"}, {"@id": WORKFLOW_CRATE}]
    root = crate.root_dataset
    root["name"] = "sonotrace run"
    root["description"] = (
        f"A run of sonotrace, a workflow for fetal ultrasound, as recorded in commit {run.commit.id}: "
        f"parameters, models, metrics and reports. {LIMITS}"
    )
    root["datePublished"] = run.date.isoformat()
    root["license"] = _entity(
        crate,
        f"https://spdx.org/licenses/{LICENCE}",
        "CreativeWork",
        name=LICENCE,
        description="Licence of the workflow",
    )
    root["conformsTo"] = [
        _entity(crate, address, "CreativeWork", name=name, version=version)
        for address, (name, version) in PROFILES.items()
    ]
    workflow = _workflow(crate, run)
    root["mainEntity"] = workflow
    parameters = _file(crate, run, PARAMETERS, "Every value that decides something")
    snapshots = [_snapshot(crate, run, data_set) for data_set in run.data_sets]
    results = [_file(crate, run, path, what) for path, what in _results(run).items()]
    workflow["input"] = [_slot(crate, entity) for entity in [parameters, *snapshots]]
    workflow["output"] = [_slot(crate, entity) for entity in results]
    _file(crate, run, LOCK, "What each stage read and wrote, by md5")
    _file(crate, run, REQUIREMENTS, "The locked dependencies")
    action = _entity(
        crate,
        "#run",
        "CreateAction",
        name="Run of the workflow",
        description=f"All stages of {GRAPH}, as {LOCK} of commit {run.commit.id} records them",
        endTime=run.date.isoformat(),
        instrument=workflow,
        object=[parameters, *snapshots],
        result=results,
        agent=_entity(crate, "#author", "Person", name=run.commit.author),
        actionStatus="http://schema.org/CompletedActionStatus",
    )
    root["mentions"] = action
    root["author"] = action["agent"]
    readme = f"# {root['name']}\n\n{root['description']}\n\n`ro-crate-metadata.json` says what each file is.\n"
    crate.add_file(
        StringIO(readme), "README.md", properties={"encodingFormat": "text/markdown", "about": {"@id": "./"}}
    )
    return crate


def _entity(crate: Any, at: str, kind: str, /, **properties: Any) -> Any:
    from rocrate.model.contextentity import ContextEntity

    entity = crate.add(ContextEntity(crate, at, properties={"@type": kind}))
    for name, value in properties.items():
        entity[name] = value
    return entity


def _workflow(crate: Any, run: Record) -> Any:
    from rocrate.model.computerlanguage import ComputerLanguage

    version = next((one.version for one in packages(run.top / REQUIREMENTS) if one.name == "dvc"), None)
    if version is None:
        raise SonotraceError(f"{REQUIREMENTS}: does not name dvc, which runs the workflow; `make lock` writes it anew")
    language = crate.add(
        ComputerLanguage(
            crate, "#dvc", properties={"name": "DVC", "url": {"@id": "https://dvc.org"}, "version": version}
        )
    )
    workflow = crate.add_workflow(
        run.top / GRAPH, GRAPH, main=False, lang=language, properties=_facts(run, GRAPH, "The stages and their order")
    )
    workflow["version"] = run.commit.id
    workflow["conformsTo"] = {"@id": BIOSCHEMAS}
    return workflow


def _results(run: Record) -> dict[str, str]:
    """Return path -> description of the models, metrics and reports; not of tables, since the ledger names patients."""
    models = {run.model(data_set): data_set for data_set in run.learned}
    found = {}
    for link in run.outputs():
        if link.path in models:
            found[link.path] = f"Model, trained on {models[link.path]}"
        elif link.path.endswith(".json"):
            found[link.path] = f"Written by {link.made_by}"
    return found


def _file(crate: Any, run: Record, path: str, what: str) -> Any:
    return crate.add_file(run.top / path, path, properties=_facts(run, path, what))


def _facts(run: Record, path: str, what: str) -> dict[str, str]:
    file = run.file(path)
    return {
        "name": path,
        "description": what,
        "contentSize": str(file.size),
        "encodingFormat": FORMATS[Path(path).suffix],
        "sha256": file.sha256,
    }


def _snapshot(crate: Any, run: Record, data_set: str) -> Any:
    """Describe a data set by what pull said of it."""
    facts = run.snapshot(data_set)
    snapshot = _entity(
        crate,
        f"#snapshot-{data_set}",
        "Dataset",
        name=f"Data set {data_set}",
        description=f"{facts['images']} images from the source {facts['source']}; not in this crate",
        identifier=facts["fingerprint"],
        subjectOf={"@id": (REPORTS / data_set / "snapshot.json").as_posix()},
    )
    for name, value in (("version", facts["version"]), ("license", facts["licence"])):
        if value:
            snapshot[name] = value
    return snapshot


def _slot(crate: Any, entity: Any) -> Any:
    """Describe what the workflow takes or gives, of which `entity` is this run's."""
    kind = "Dataset" if entity.type == "Dataset" else "File"
    name = entity.id.removeprefix("#")
    slot = _entity(crate, f"#slot-{name}", "FormalParameter", name=name, additionalType=kind, workExample=entity)
    entity["exampleOfWork"] = slot
    return slot
