"""A withdrawal's list names the pages that may show the patient, and no page of others."""

import yaml
from recorded_run import PATIENT, commit, make

from sonotrace.lineage.blobs import blobs_of
from sonotrace.records.store import md5_of

PAGES = ("data/for-report/planes.json", "reports/index.html")


def _with_pages(top, content):
    """Add a page and what it was made of to the recorded run, and commit it."""
    lock = yaml.safe_load((top / "dvc.lock").read_text())
    for stage, path in zip(("gather@planes", "report"), PAGES, strict=True):
        (top / path).parent.mkdir(parents=True, exist_ok=True)
        (top / path).write_text(content + path)
        lock["stages"][stage] = {"cmd": "true", "outs": [{"path": path, "md5": md5_of(top / path)}]}
    (top / "dvc.lock").write_text(yaml.safe_dump(lock, sort_keys=False))
    commit(top)


def test_pages_of_every_run_that_had_the_patient_are_named(tmp_path):
    top = make(tmp_path / "recorded")
    _with_pages(top, "first")
    first = {md5_of(top / path) for path in PAGES}
    _with_pages(top, "second")
    found = blobs_of(PATIENT, top).paths
    assert first | {md5_of(top / path) for path in PAGES} <= set(found)
    assert set(PAGES) <= set(found.values())


def test_pages_of_runs_without_the_patient_are_not(tmp_path):
    top = make(tmp_path / "recorded")
    _with_pages(top, "page")
    assert not set(PAGES) & set(blobs_of("00099", top).paths.values())
