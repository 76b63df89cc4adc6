"""A withdrawal's list names the pages that may show the patient, and no page of others."""

import hashlib
import json

import yaml
from recorded_run import PATIENT, commit, make

from sonotrace.images.packs import pack_name
from sonotrace.lineage.blobs import blobs_of
from sonotrace.records.history import folder_md5
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


def _with_shard(top, shard, packs):
    """Add a shard of prepare, with packs of these names, to the recorded run and to DVC's cache, and commit it."""
    members = {name: hashlib.md5(content, usedforsecurity=False).hexdigest() for name, content in packs.items()}
    listing = json.dumps([{"md5": members[name], "relpath": name} for name in sorted(members)])
    md5 = folder_md5(members)
    (top / ".dvc/cache/files/md5" / md5[:2]).mkdir(parents=True)
    (top / ".dvc/cache/files/md5" / md5[:2] / md5[2:]).write_text(listing)
    lock = yaml.safe_load((top / "dvc.lock").read_text())
    out = {"path": f"data/planes/prepare_shard/{shard}/images", "md5": md5}
    lock["stages"][f"prepare_shard@planes-{shard}"] = {"cmd": "true", "outs": [out]}
    (top / "dvc.lock").write_text(yaml.safe_dump(lock, sort_keys=False))
    commit(top)
    return {f"{out['path']}/{name}": member for name, member in members.items()}


def test_the_patients_packs_in_shards_are_named_even_if_prepare_has_not_run_since(tmp_path):
    top = make(tmp_path / "recorded")
    own, other = pack_name(PATIENT, ""), pack_name("00099", "")
    made = _with_shard(top, 2, {own: b"of the patient", other: b"of another"})
    found = {path: md5 for md5, path in blobs_of(PATIENT, top).paths.items()}
    path = f"data/planes/prepare_shard/2/images/{own}"
    assert found[path] == made[path]
    assert not any(other in name for name in found)
