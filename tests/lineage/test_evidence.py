"""What is absent is said to be absent only where everything was seen; otherwise what is missing, and how to get it."""

import json
import shutil
import subprocess
from contextlib import suppress
from copy import deepcopy
from pathlib import Path

import pytest
import yaml
from recorded_run import PATIENT, commit, git, make

from sonotrace.errors import SonotraceError
from sonotrace.lineage.command import Question, run
from sonotrace.lineage.form import plain
from sonotrace.lineage.origins import of_file
from sonotrace.lineage.people import of_person
from sonotrace.lineage.verify import current, problems
from sonotrace.patients.folds import fold_of
from sonotrace.records.history import History, folder_md5
from sonotrace.records.last import LastCommit

MODEL = Path("models/planes.keras")
SPLIT = Path("data/planes/split/split.csv")


def _relock(top, change):
    lock = yaml.safe_load((top / "dvc.lock").read_text())
    change(lock["stages"])
    plain_lock = json.loads(json.dumps(lock))  # or else what occurs twice would become an alias, which DVC never writes
    (top / "dvc.lock").write_text(yaml.safe_dump(plain_lock, sort_keys=False))


def _said(top, capsys, **question):
    """Return whether the answer holds, and its lines."""
    holds = run(Question(**question), top, as_json=False)
    return holds, capsys.readouterr().out


def test_a_model_that_only_the_workspaces_lock_names_is_known_and_said_to_be_uncommitted(recorded, capsys):
    (recorded / MODEL).write_text("a new model")
    md5 = subprocess.run(["md5sum", recorded / MODEL], capture_output=True, text=True, check=True).stdout.split()[0]
    _relock(recorded, lambda stages: stages["train_cnn@planes"]["outs"][0].update(md5=md5))
    (origin,) = of_file(recorded / MODEL, recorded).origins
    assert (origin.commits, origin.is_uncommitted) == ([], True)
    holds, printed = _said(recorded, capsys, file=recorded / MODEL)
    assert holds
    assert printed.splitlines()[1] == "not committed yet: only the dvc.lock of the workspace names it; commit it"
    commit(recorded)
    (origin,) = of_file(recorded / MODEL, recorded).origins
    assert (len(origin.commits), origin.is_uncommitted) == (1, False)


def test_three_lines_say_what_it_is_from_when_and_whom_it_was_trained_on(recorded, capsys):
    _, printed = _said(recorded, capsys, file=recorded / MODEL)
    what, since, whom, *_ = printed.splitlines()
    assert what.startswith("planes.keras is models/planes.keras, output of train_cnn@planes (md5 ")
    assert since == f"first in commit {History(recorded).head.id[:10]} of 2026-01-02, by Ada Example"
    assert whom == "planes: trained on 1 images of 1 patients"


def test_parameters_of_sources_that_were_not_used_are_left_out(recorded, capsys):
    values = {"source": "incoming", "patient_pattern": "x", "incoming": {"table": "t.csv"}, "zenodo": {"record": 1}}
    _relock(recorded, lambda stages: stages["pull@planes"].update(params={"params.yaml": {"pull.planes": values}}))
    commit(recorded)
    _, printed = _said(recorded, capsys, file=recorded / MODEL)
    assert "pull.planes.incoming.table = t.csv" in printed
    assert "pull.planes.patient_pattern = x" in printed
    assert "zenodo" not in printed
    pull = plain(of_file(recorded / MODEL, recorded))["origins"][0]["steps"][-1]
    assert pull["parameters"]["pull.planes.zenodo.record"] == 1


def test_no_model_is_claimed_only_where_every_split_table_was_seen(recorded, capsys):
    holds, printed = _said(recorded, capsys, patient=PATIENT)
    assert holds
    assert "models/planes.keras" in printed
    # A new split, which nobody has trained on yet; the old table is gone, and the model still is of it.
    text = (recorded / SPLIT).read_text()
    old = text.replace(PATIENT, "99999")
    (recorded / SPLIT).write_text(f"{text}\n")
    md5 = subprocess.run(["md5sum", recorded / SPLIT], capture_output=True, text=True, check=True).stdout.split()[0]
    _relock(recorded, lambda stages: stages["split@planes"]["outs"][0].update(md5=md5))
    commit(recorded)
    git(recorded, "update-ref", "-d", "HEAD")  # the lock alone tells
    commit(recorded)
    (recorded / "data/structures/split/split.csv").write_text(old)
    holds, printed = _said(recorded, capsys, patient=PATIENT)
    assert not holds
    assert "no model was made with them" not in printed
    assert "not seen: 2 of 3 split tables are not in this clone; no DVC remote is configured here" in printed


def test_nobody_is_claimed_absent_where_a_table_is_missing(recorded, capsys):
    (recorded / SPLIT).unlink()
    holds, printed = _said(recorded, capsys, patient="00815")
    assert not holds
    assert printed.startswith("in no split table that can be read here\n")
    assert "dvc fetch" not in printed


def test_a_fetch_is_advised_where_there_is_a_remote(recorded, capsys):
    (recorded / ".dvc").mkdir()
    (recorded / ".dvc/config").write_text("['remote \"store\"']\n    url = /somewhere\n")
    (recorded / SPLIT).unlink()
    _, printed = _said(recorded, capsys, patient="00815")
    assert "1 of 2 split tables are not in this clone; `dvc fetch --all-commits` brings them" in printed


def test_a_patient_of_no_split_is_said_to_be_in_none_where_all_was_seen(recorded, capsys):
    holds, printed = _said(recorded, capsys, patient="00815")
    assert holds
    assert printed.startswith("in no split table\n")


def test_a_shallow_clone_claims_no_absence(recorded, tmp_path, capsys):
    (recorded / "more").write_text("x")
    commit(recorded)
    clone = tmp_path / "shallow"
    subprocess.run(["git", "clone", "--quiet", "--depth", "1", f"file://{recorded}", clone], check=True)
    for name in ("planes", "structures"):
        shutil.copytree(recorded / f"data/{name}", clone / f"data/{name}", dirs_exist_ok=True)
    holds, printed = _said(clone, capsys, patient="00815")
    assert not holds
    assert "not seen: this clone is shallow" in printed


def test_a_damaged_lock_in_history_is_counted_and_the_others_answer(recorded):
    kept = (recorded / "dvc.lock").read_text()
    (recorded / "dvc.lock").write_text(kept.replace("outs:", "outs: [", 1))
    commit(recorded)
    (recorded / "dvc.lock").write_text(kept)
    commit(recorded)
    answer = of_person("patient", PATIENT, recorded)
    assert len(answer.models) == 2
    assert answer.missing == ["1 versions of dvc.lock cannot be read and were left out; restore them with git"]


@pytest.fixture
def below(tmp_path):
    """Return a checkout that is a folder of a larger git repository, as `dvc init --subdir` allows."""
    own = make(tmp_path / "own")
    shutil.rmtree(own / ".git")
    (tmp_path / "mono").mkdir()
    top = tmp_path / "mono/us"
    own.rename(top)
    (top / ".dvc").mkdir()
    (top / ".dvc/config").touch()
    (tmp_path / "mono/dvc.lock").write_text("stages: {}\n")
    git(tmp_path / "mono", "init", "--quiet", "--initial-branch=main")
    commit(tmp_path / "mono")
    return top


@pytest.mark.parametrize("place", [".", "data/planes"])
def test_a_checkout_below_gits_top_folder_has_its_own_history(below, place):
    history = History(below / place)
    assert history.top == below
    assert history.file("HEAD", "dvc.lock") == (below / "dvc.lock").read_bytes()
    assert list(history.members("HEAD", "src")) == ["code.py"]
    assert [lock.text for lock in history.locks] == [(below / "dvc.lock").read_bytes()]
    assert LastCommit(below).text("params.yaml") == (below / "params.yaml").read_text()


def test_lineage_and_verify_answer_in_a_checkout_below_gits_top_folder(below, monkeypatch):
    assert len(of_file(below / MODEL, below, verify=True).origins[0].commits) == 1
    assert {model.path for model in of_person("patient", PATIENT, below).models} == {
        "models/planes.keras",
        "models/structures.pt",
    }
    monkeypatch.chdir(below)
    found = []
    with suppress(SonotraceError):  # the parameters here are no complete ones
        found.extend(problems(Path()))
    assert not [problem for problem in found if problem.startswith(("dvc.lock", "src", "reports", "metrics"))]


def test_the_json_has_what_it_had_before_modules_were_parted(recorded):
    found = json.loads(json.dumps(plain(of_file(recorded / MODEL, recorded, with_tables=True, verify=True))))
    assert {"file", "md5", "origins", "notes"} <= found.keys()
    (origin,) = found["origins"]
    assert {"path", "role", "stage", "steps", "commits", "snapshots", "sides", "verified"} <= origin.keys()
    assert origin["steps"][0].keys() == {"stage", "command", "parameters", "code", "inputs"}
    assert origin["commits"][0].keys() == {"id", "author", "date", "subject", "names"}
    person = json.loads(json.dumps(plain(of_person("patient", PATIENT, recorded))))
    assert {"patient", "unseen", "held", "models", "notes"} <= person.keys()
    assert {"data_set", "split_md5", "sides", "commits"} <= person["held"][0].keys()
    assert person["models"][0]["uses"] == ["trained on"]


SALT = "planes-2"


def _with_folds(top, **more):
    """Record two folds of the planes, their nets as one, and one net that learnt from them."""
    models = top / "models/folds/planes"
    models.mkdir(parents=True)
    split = {"path": SPLIT.as_posix(), "md5": _md5(top / SPLIT)}
    folds = {"folds.numbers": [1, 2], "split.planes.salt": SALT} | more

    def stage(path, deps, params):
        path.write_text(path.name)
        out = {"path": path.relative_to(top).as_posix(), "md5": _md5(path)}
        # Copies, since YAML would write what is shared as an alias.
        return {
            "cmd": "x",
            "deps": [dict(dep) for dep in deps],
            "params": {"params.yaml": deepcopy(params)},
            "outs": [out],
        }

    def change(stages):
        members = {}
        for fold in (1, 2):
            stages[f"train_cnn_fold@planes-{fold}-1"] = stage(models / f"{fold}-1.keras", [split], folds)
            members[f"{fold}-1.keras"] = _md5(models / f"{fold}-1.keras")
        folder = {"path": "models/folds/planes", "md5": folder_md5(members)}
        stages["train_ensemble@planes"] = stage(top / "models/planes_ensemble.keras", [folder, split], {})

    _relock(top, change)
    commit(top)


def _md5(path):
    return subprocess.run(["md5sum", path], capture_output=True, text=True, check=True).stdout.split()[0]


def test_a_folds_net_is_said_to_have_held_its_own_patients_out(recorded):
    _with_folds(recorded)
    own = fold_of(PATIENT, SALT, 2)
    sides = {use.path: use.sides for use in of_person("patient", PATIENT, recorded).models}
    assert sides[f"models/folds/planes/{own}-1.keras"] == ["held out"]
    assert sides[f"models/folds/planes/{3 - own}-1.keras"] == ["train"]
    assert sides["models/planes_ensemble.keras"] == ["train"]
    image = of_person("image", f"Patient{PATIENT}_Plane3", recorded).models
    assert {use.path: use.sides for use in image} == sides


def test_a_net_without_one_scanner_held_its_patients_out_wherever_the_hash_puts_them(recorded):
    header, own = (recorded / SPLIT).read_text().splitlines()
    names, values = header.split(","), own.split(",")
    rows = [header]
    for patient, scanner in ((PATIENT, "Voluson"), ("other", "Aloka"), (PATIENT, "Aloka")):
        row = dict(zip(names, values, strict=True)) | {"image": f"i{len(rows)}", "patient": patient, "scanner": scanner}
        rows.append(",".join(row.values()))
    before = _md5(recorded / SPLIT)
    (recorded / SPLIT).write_text("\n".join([*rows, ""]))
    lock = (recorded / "dvc.lock").read_text()
    assert before in lock
    (recorded / "dvc.lock").write_text(lock.replace(before, _md5(recorded / SPLIT)))
    _with_folds(recorded, **{"folds.by": "scanner"})
    for column, value, fold in (("patient", PATIENT, 2), ("patient", "other", 1), ("image", "i3", 2)):
        sides = {use.path: use.sides for use in of_person(column, value, recorded).models}
        assert sides[f"models/folds/planes/{fold}-1.keras"] == ["held out"]
        assert sides[f"models/folds/planes/{3 - fold}-1.keras"] == ["train"]
        assert sides["models/planes_ensemble.keras"] == ["train"]


def test_the_nets_of_all_folds_are_among_the_origins_of_what_was_made_of_them(recorded, capsys):
    _with_folds(recorded)
    (origin,) = of_file(recorded / "models/planes_ensemble.keras", recorded).origins
    steps = [step.stage for step in origin.steps]
    assert steps[:3] == ["train_ensemble@planes", "train_cnn_fold@planes-1-1", "train_cnn_fold@planes-2-1"]
    assert {"split@planes", "pull@planes"} <= set(steps)
    _said(recorded, capsys, patient=PATIENT)


def test_the_workspace_need_not_have_shards_that_the_parameters_no_longer_ask_for(recorded):
    params = yaml.safe_load((recorded / "params.yaml").read_text())
    out = {"path": "data/planes/augment_shard/1/packs.csv", "md5": "1" * 32}
    _relock(recorded, lambda stages: stages.update({"augment_shard@planes-1": {"cmd": "true", "outs": [out]}}))
    for listed, expected in ((["planes"], True), ([], False)):
        shards = {"prepare": [], "augment": listed, "numbers": [1, 2]}
        (recorded / "params.yaml").write_text(yaml.safe_dump(params | {"shards": shards}))
        assert ("augment_shard@planes-1" in current(recorded)[1]) is expected


@pytest.mark.parametrize("content", ["a: [1", "", "[" * 100_000], ids=["cut", "empty", "too deep"])
def test_parameters_that_cannot_be_read_are_one_line_and_no_crash(recorded, content):
    (recorded / "params.yaml").write_text(content)
    with pytest.raises(SonotraceError, match=r"params\.yaml: .*restore it with git$"):
        current(recorded)
