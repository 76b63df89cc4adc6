"""What goes out is what the commit recorded, or nothing goes out."""

import hashlib
import re
import shutil

import pytest
import yaml
from recorded_run import commit, git, relock

from sonotrace.errors import SonotraceError
from sonotrace.export import record
from sonotrace.records import lock


def needing(path):
    """Ask for a file of the data set in whose folder it is."""
    return lambda data_set, _: [path] if path.startswith(f"data/{data_set}/") else []


def _edit_lock(top, change):
    lock = yaml.safe_load((top / "dvc.lock").read_text())
    change(lock["stages"])
    (top / "dvc.lock").write_text(yaml.safe_dump(lock, sort_keys=False))


def test_a_run_is_read_as_the_commit_holds_it(recorded):
    run = record.read(recorded)
    assert run.commit.author == "Ada Example"
    assert run.date.isoformat() == "2026-01-02T08:04:05+00:00"
    assert run.snapshot("planes")["licence"] == "CC BY 4.0"
    assert run.scores("structures")["n_images"] == 9
    model = run.file("models/planes.keras")
    assert (model.size, model.sha256) == (6, hashlib.sha256(b"planes").hexdigest())
    assert [link.path for link in run.outputs()][:3] == [
        "metrics/planes_detail.json",
        "metrics/structures_detail.json",
        "models/planes.keras",
    ]


def test_data_sets_kinds_and_settings_come_from_the_lock(recorded):
    run = record.read(recorded)
    assert run.data_sets == ["planes", "structures"]
    assert run.kind("structures").has_boxes
    assert (run.trained("planes").stage, run.model("planes")) == ("train_cnn@planes", "models/planes.keras")
    assert run.settings("planes") == {"architecture": "residual", "epochs": 3}


def test_a_lock_of_before_trainings_had_a_part_for_each_data_set_is_understood(recorded):
    older = {"train_cnn": {"architecture": "residual", "epochs": 3}, "train_yolo": {"weights": "w.pt", "epochs": 2}}
    (recorded / "params.yaml").write_text(yaml.safe_dump(older))
    relock(recorded)
    commit(recorded)
    run = record.read(recorded)
    assert (run.trained("planes").stage, run.trained("structures").stage) == ("train_cnn", "train_yolo")
    assert run.settings("structures") == older["train_yolo"]


def test_a_data_set_of_another_name_has_the_kind_that_its_pull_ran_with(recorded):
    def rename(stages):
        stages["pull@heads"] = stages.pop("pull@structures")
        stages["pull@heads"]["params"] = {"params.yaml": {"pull.heads.kind": "structures"}}

    _edit_lock(recorded, rename)
    steps = lock.read((recorded / "dvc.lock").read_bytes())
    assert record.kind_of("heads", steps).model("heads").as_posix() == "models/heads.pt"
    with pytest.raises(SonotraceError, match=r"names no|does not name models/heads\.pt|not as in the last commit"):
        record.read(recorded)


@pytest.mark.parametrize(
    "path",
    [
        "models/planes.keras",
        "models/structures.pt",
        "metrics/planes_detail.json",
        "reports/structures/snapshot.json",
        "reports/planes/split.json",
        "plots/planes/roc.csv",
        "src/code.py",
        "data/phantom/structures/scanners.yaml",
    ],
)
def test_a_file_with_other_bytes_is_refused(recorded, path):
    (recorded / path).write_text("other")
    with pytest.raises(SonotraceError, match=f"^{re.escape(path)}: altered; .*restore it, or `dvc repro` and commit$"):
        record.read(recorded)


def test_code_that_was_committed_after_the_run_is_refused(recorded):
    (recorded / "src/code.py").write_text("other")
    commit(recorded)
    with pytest.raises(SonotraceError, match=r"^src: altered; not what dvc.lock names"):
        record.read(recorded)


def test_a_missing_model_is_refused(recorded):
    (recorded / "models/structures.pt").unlink()
    with pytest.raises(SonotraceError, match=r"^models/structures.pt: missing; `dvc checkout`"):
        record.read(recorded)


@pytest.mark.parametrize("path", ["dvc.lock", "dvc.yaml", "params.yaml", "requirements.lock"])
def test_what_is_not_committed_is_refused(recorded, path):
    (recorded / path).write_text((recorded / path).read_text() + "# more\n")
    with pytest.raises(SonotraceError, match=f"^{path}: not as in the last commit; "):
        record.read(recorded)


def test_parameters_that_no_stage_ran_with_are_refused(recorded):
    text = (recorded / "params.yaml").read_text()
    (recorded / "params.yaml").write_text(text.replace("epochs: 3", "epochs: 4"))
    commit(recorded)
    with pytest.raises(
        SonotraceError, match=r"^params.yaml: train_cnn.planes.epochs is 4, but train_cnn@planes ran with 3; "
    ):
        record.read(recorded)


def test_a_lock_with_parts_of_two_runs_is_refused(recorded):
    _edit_lock(recorded, lambda stages: stages["train_cnn@planes"]["deps"][0].update(md5="0" * 32))
    commit(recorded)
    with pytest.raises(
        SonotraceError,
        match=r"^dvc.lock: train_cnn@planes ran with another data/planes/split/split.csv than split@planes ",
    ):
        record.read(recorded)


def test_a_lock_without_an_evaluation_is_refused(recorded):
    _edit_lock(recorded, lambda stages: stages.pop("evaluate@structures"))
    commit(recorded)
    with pytest.raises(SonotraceError, match=r"^dvc.lock: does not name metrics/structures_detail.json; "):
        record.read(recorded)


def test_a_snapshot_that_was_added_and_not_pulled_is_refused(recorded):
    (recorded / "data/incoming/planes.dvc").write_text(yaml.safe_dump({"outs": [{"md5": "5" * 32, "path": "planes"}]}))
    commit(recorded)
    with pytest.raises(SonotraceError, match=r"^data/incoming/planes.dvc: names another snapshot than pull@planes "):
        record.read(recorded)


def test_data_may_be_elsewhere_unless_it_is_asked_for(recorded):
    for name in ("data/planes", "data/structures", "data/incoming/planes"):
        shutil.rmtree(recorded / name)
    assert record.read(recorded).snapshot("planes")["images"] == 1
    with pytest.raises(SonotraceError, match=r"^data/planes/pull/manifest.csv: missing; "):
        record.read(recorded, needing("data/planes/pull/manifest.csv"))


def test_an_image_with_other_bytes_is_refused_where_images_are_asked_for(recorded):
    next((recorded / "data/planes/pull/images").rglob("*.png")).write_text("other")
    record.read(recorded)
    with pytest.raises(SonotraceError, match=r"^dvc.lock: does not name data/planes/other.csv; "):
        record.read(recorded, needing("data/planes/other.csv"))
    with pytest.raises(SonotraceError, match=r"^data/planes/pull/images"):
        record.read(recorded, needing("data/planes/pull/images"))


def test_a_folder_without_a_lock_or_a_commit_says_so(recorded):
    shutil.rmtree(recorded / ".git")
    git(recorded, "init", "--quiet")
    with pytest.raises(SonotraceError, match="holds no commit yet"):
        record.read(recorded)
    (recorded / "dvc.lock").unlink()
    with pytest.raises(SonotraceError, match=r"^dvc.lock: not there; "):
        record.read(recorded)


def test_a_new_run_is_read_once_it_is_committed(recorded):
    (recorded / "models/planes.keras").write_text("a better model")
    relock(recorded)
    with pytest.raises(SonotraceError, match=r"^dvc.lock: not as in the last commit"):
        record.read(recorded)
    commit(recorded)
    assert record.read(recorded).file("models/planes.keras").size == len("a better model")


def test_an_export_replaces_nothing(tmp_path):
    for there in (tmp_path, tmp_path / "out.json"):
        there.touch()
        with pytest.raises(SonotraceError, match=f"^{re.escape(str(there))}: is there already; "):
            record.require_new(there)
    record.require_new(tmp_path / "new.json")
