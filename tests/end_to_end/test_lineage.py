"""Bytes lead back to every commit, branch, tag and experiment that made them, and to the patients.

The history is real git and DVC; its stages have the names and outputs of the pipeline's, and do
next to nothing, so that a dozen commits can be made in seconds.
"""

import json
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import yaml
from checkouts import Checkout, clone

from sonotrace.images.packs import stored_in
from sonotrace.lineage import origins, people
from sonotrace.lineage.form import plain

STAGE = """
import hashlib, json, pathlib, sys, yaml
params = yaml.safe_load(open("params.yaml"))
stage = sys.argv[1]
def write(path, text):
    path = pathlib.Path(path); path.parent.mkdir(parents=True, exist_ok=True); path.write_text(text)
patients = pathlib.Path("data/incoming/planes/patients.txt").read_text().split()
if stage == "pull":
    for patient in patients:
        write(f"data/planes/pull/images/{patient}_1.png", f"picture of {patient}")
    write("reports/planes/snapshot.json", json.dumps({"source": "incoming", "images": len(patients)}))
elif stage == "split":
    rows = [f"{p}_1,{p},{'test' if int(p) % 4 == 0 else 'val' if int(p) % 4 == 1 else 'train'}" for p in patients]
    write("data/planes/split/split.csv", "\\n".join(["image,patient,side", *rows]) + "\\n")
elif stage == "train":
    seen = pathlib.Path("data/planes/split/split.csv").read_text()
    write("models/planes.keras", hashlib.sha256(f"{seen}{params['train']}{CODE}".encode()).hexdigest())
else:
    write("metrics/planes.json", json.dumps({"size": len(pathlib.Path("models/planes.keras").read_text())}))
"""
GRAPH = {
    "stages": {
        "pull@planes": {
            "cmd": "python src/stage.py pull",
            "deps": ["data/incoming/planes"],
            "outs": ["data/planes/pull/images", {"reports/planes/snapshot.json": {"cache": False}}],
        },
        "split@planes": {
            "cmd": "python src/stage.py split",
            "deps": ["data/incoming/planes", "data/planes/pull/images"],
            "outs": ["data/planes/split/split.csv"],
        },
        "train_cnn": {
            "cmd": "python src/stage.py train",
            "deps": ["data/planes/split/split.csv", "src/stage.py"],
            "params": ["train"],
            "outs": ["models/planes.keras"],
        },
        "evaluate@planes": {
            "cmd": "python src/stage.py evaluate",
            "deps": ["models/planes.keras", "data/planes/split/split.csv"],
            "metrics": [{"metrics/planes.json": {"cache": False}}],
        },
    }
}


def of_file(*arguments: Any, **options: Any) -> dict[str, Any]:
    """Return a file's lineage as `--json` prints it."""
    return json.loads(json.dumps(plain(origins.of_file(*arguments, **options))))


def of_person(*arguments: Any) -> dict[str, Any]:
    """Return where a patient or an image was, as `--json` prints it."""
    return json.loads(json.dumps(plain(people.of_person(*arguments))))


class Project:
    """A repository whose every state is noted: model bytes -> the commits that hold them."""

    def __init__(self, top: Path) -> None:
        self.top = top
        self.home = top.with_name("home")
        self.home.mkdir()
        self.expected: dict[bytes, set[str]] = {}
        for name in ("src", "data/incoming/planes"):
            (top / name).mkdir(parents=True)
        # `pull@planes` cannot be written as such: DVC makes the name from a foreach.
        stages = {}
        for name, stage in GRAPH["stages"].items():
            base, _, item = name.partition("@")
            stages[base] = {"foreach": [item], "do": stage} if item else stage
        (top / "dvc.yaml").write_text(yaml.safe_dump({"stages": stages}, sort_keys=False))
        self.run("git", "init", "--quiet", "--initial-branch=main")
        self.run("dvc", "init", "--quiet")
        self.run("dvc", "config", "core.autostage", "true")
        self.write(code=1, epochs=1, patients=range(1, 13))

    def run(self, *command: str) -> str:
        """Run a command in the repository; return what it printed."""
        tools = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
        author = {f"GIT_{who}_{what}": "a@b" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "DVC", "GIT"))}
        environment = kept | author | {"PATH": tools, "HOME": str(self.home), "DVC_NO_ANALYTICS": "1"}
        done = subprocess.run(command, cwd=self.top, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def write(self, **values: object) -> None:
        """Set the code's number, the epochs or the patients."""
        if "code" in values:
            (self.top / "src/stage.py").write_text(f"CODE = {values['code']}\n{STAGE}")
        if "epochs" in values:
            (self.top / "params.yaml").write_text(f"train: {{epochs: {values['epochs']}}}\n")
        if "patients" in values:
            text = "\n".join(f"{number:03}" for number in values["patients"])
            (self.top / "data/incoming/planes/patients.txt").write_text(text)
            self.run("dvc", "add", "--quiet", "data/incoming/planes")

    def commit(self, message: str) -> None:
        """Reproduce, commit, and note which model this commit holds."""
        self.run("dvc", "repro", "--quiet")
        self.run("git", "add", "--all")
        self.run("git", "commit", "--quiet", "--allow-empty", "--message", message)
        self.note(self.run("git", "rev-parse", "HEAD").strip())

    def note(self, commit: str) -> None:
        self.expected.setdefault(self.model.read_bytes(), set()).add(commit)

    @property
    def model(self) -> Path:
        return self.top / "models/planes.keras"


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """Return a history of fourteen commits, two branches, a merge, a tag and three experiments."""
    made = Project(tmp_path_factory.mktemp("lineage") / "clone")
    made.commit("First")
    made.write(epochs=2)
    made.commit("More epochs")
    made.write(patients=range(1, 17))
    made.commit("More patients")
    made.run("git", "tag", "v1")
    (made.top / "README.md").write_text("words")
    made.commit("Words only")
    made.write(code=2)
    made.commit("Other code")
    made.run("git", "switch", "--quiet", "--create", "side")
    made.write(epochs=5)
    made.commit("Side: epochs")
    made.write(patients=[1, 2, 3, *range(5, 17)])
    made.commit("Side: a patient less")
    made.run("git", "switch", "--quiet", "main")
    made.run("dvc", "checkout", "--quiet")
    (made.top / "NOTES.md").write_text("notes")
    made.commit("Notes")
    made.write(epochs=1)
    made.commit("Back to one epoch")
    made.write(code=1)
    made.commit("Back to the first code")
    made.write(epochs=2)
    made.commit("Two epochs again: the model of the third commit")
    made.run("git", "merge", "--quiet", "--no-commit", "--no-ff", "--strategy=ours", "side")
    made.commit("Merge")
    made.write(epochs=7)
    made.commit("Seven")
    made.commit("Nothing")
    for epochs in (8, 9, 2):
        made.run("dvc", "exp", "run", "--quiet", "--name", f"try-{epochs}", "-S", f"train.epochs={epochs}")
        commit = next(
            line.split()[0]
            for line in made.run("git", "for-each-ref", "refs/exps").splitlines()
            if line.endswith(f"/try-{epochs}")
        )
        made.note(commit)
        made.run("git", "checkout", "--quiet", "--", ".")
        made.run("dvc", "checkout", "--quiet")
    return made


def _commits(found: dict) -> set[str]:
    return {commit["id"] for origin in found["origins"] for commit in origin["commits"]}


def _elsewhere(content: bytes, folder: Path) -> Path:
    path = folder / "found-on-a-stick.bin"
    path.write_bytes(content)
    return path


def test_each_model_names_every_commit_that_holds_it(project: Project, tmp_path: Path) -> None:
    assert sum(map(len, project.expected.values())) == 17
    assert len(project.expected) >= 9
    for content, commits in project.expected.items():
        assert _commits(of_file(_elsewhere(content, tmp_path), project.top)) == commits


def test_branches_tags_and_experiments_are_named(project: Project, tmp_path: Path) -> None:
    names = {
        name
        for content in project.expected
        for origin in of_file(_elsewhere(content, tmp_path), project.top)["origins"]
        for commit in origin["commits"]
        for name in commit["names"]
    }
    assert {"branch main", "branch side", "tag v1", "experiment try-8", "experiment try-9", "experiment try-2"} <= names


def test_the_steps_lead_back_to_the_snapshot(project: Project) -> None:
    (origin,) = of_file(project.model, project.top, with_tables=True)["origins"]
    assert [step["stage"] for step in origin["steps"]] == ["train_cnn", "split@planes", "pull@planes"]
    assert origin["steps"][0]["parameters"] == {"train.epochs": 7}
    assert [link["path"] for link in origin["steps"][0]["code"]] == ["src/stage.py"]
    assert origin["snapshots"] == {"planes": {"source": "incoming", "images": 16}}
    sides = {row["patient"]: row["side"] for row in origin["sides"]["planes"]}
    assert (len(sides), sides["004"], sides["001"], sides["002"]) == (16, "test", "val", "train")


def test_an_image_inside_a_folder_and_a_metric_are_known_too(project: Project) -> None:
    (origin,) = of_file(project.top / "data/planes/pull/images/015_1.png", project.top)["origins"][:1]
    assert (origin["path"], origin["role"], origin["stage"]) == (
        "data/planes/pull/images/015_1.png",
        "output",
        "pull@planes",
    )
    assert of_file(project.top / "metrics/planes.json", project.top)["origins"][0]["stage"] == "evaluate@planes"


def test_unknown_bytes_are_said_to_be_unknown(project: Project, tmp_path: Path) -> None:
    assert of_file(_elsewhere(b"something else", tmp_path), project.top)["origins"] == []
    done = subprocess.run(
        [sys.executable, "-m", "sonotrace", "lineage", str(tmp_path / "found-on-a-stick.bin"), "--repo", project.top],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert "unknown: no dvc.lock in this repository's history names these bytes" in done.stdout


def test_a_patient_is_found_in_all_commits_with_the_models_that_know_them(project: Project) -> None:
    found = of_person("patient", "004", project.top)
    assert {side for entry in found["held"] for side in entry["sides"]} == {"test"}
    assert {use for model in found["models"] for use in model["uses"]} == {"tested on"}
    side_tip = project.run("git", "rev-parse", "side").strip()
    assert side_tip not in {commit["id"] for entry in found["held"] for commit in entry["commits"]}
    new = of_person("patient", "015", project.top)
    first = project.run("git", "rev-list", "--max-parents=0", "main").strip()
    assert first not in {commit["id"] for entry in new["held"] for commit in entry["commits"]}
    assert {use for model in new["models"] for use in model["uses"]} == {"trained on"}
    assert of_person("patient", "999", project.top)["held"] == []
    assert of_person("image", "015_1", project.top)["models"] == new["models"]


def test_every_link_verifies_until_a_byte_is_turned(project: Project, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(project.top, copy, symlinks=True)

    def states() -> dict[str, str]:
        (origin,) = of_file(copy / "models/planes.keras", copy, verify=True)["origins"]
        return origin["verified"]

    assert set(states().values()) == {"verified"}
    (link,) = {
        link["md5"]
        for step in of_file(copy / "models/planes.keras", copy)["origins"][0]["steps"]
        for link in step["inputs"]
        if link["path"].endswith("split.csv")
    }
    blob = copy / ".dvc/cache/files/md5" / link[:2] / link[2:]
    kept = blob.read_bytes()
    blob.chmod(0o644)
    blob.write_bytes(kept.replace(b"train", b"tra1n", 1))
    assert {path for path, state in states().items() if state == "altered"} == {"data/planes/split/split.csv"}
    blob.unlink()
    assert states()["data/planes/split/split.csv"] == "verified", "still in the workspace"
    (copy / "data/planes/split/split.csv").unlink()
    assert states()["data/planes/split/split.csv"] == "missing"
    image = next(
        path
        for path in (copy / ".dvc/cache/files/md5").rglob("*")
        if path.is_file() and b"picture of 015" in path.read_bytes()
    )
    image.chmod(0o644)
    image.write_bytes(b"picture of 01S")
    assert states()["data/planes/pull/images"] == "altered"


def test_code_that_no_commit_holds_is_told(project: Project, tmp_path: Path) -> None:
    other = Project.__new__(Project)
    other.top, other.home = tmp_path / "copy", project.home
    shutil.copytree(project.top, other.top, symlinks=True)
    other.write(code=3)
    other.run("dvc", "repro", "--quiet")
    other.run("git", "checkout", "--quiet", "--", "src")
    other.run("git", "commit", "--quiet", "--all", "--message", "A lock without its code")
    (origin,) = of_file(other.model, other.top, verify=True)["origins"]
    assert {path: state for path, state in origin["verified"].items() if state != "verified"} == {
        "src/stage.py": "altered"
    }


def test_a_clone_without_cache_and_a_shallow_one_say_what_they_could_not_see(project: Project, tmp_path: Path) -> None:
    for depth, told in ((None, "DVC's cache is not here"), (1, "this clone is shallow")):
        clone = tmp_path / f"clone-{depth}"
        shallow = ["--depth", str(depth)] if depth else []
        project.run("git", "clone", "--quiet", *shallow, f"file://{project.top}", str(clone))
        found = of_file(project.model, clone)
        assert found["origins"][0]["snapshots"] == {"planes": {"source": "incoming", "images": 16}}
        assert any(note.startswith(told) for note in found["notes"])
        assert len(_commits(found)) == (1 if depth else 2)
        tables = of_file(project.model, clone, with_tables=True)["origins"][0]["sides"]
        assert tables == {"planes": None}
        assert any("split tables are not in this clone" in note for note in of_person("patient", "004", clone)["notes"])


def test_the_command_prints_json_and_text(project: Project, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "sonotrace", "lineage", str(project.model), "--repo", str(project.top)]
    text = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True).stdout
    assert "planes.keras is models/planes.keras, output of train_cnn (md5 " in text
    assert "parameter    train.epochs = 7" in text
    printed = subprocess.run([*command, "--json"], cwd=tmp_path, capture_output=True, text=True, check=True).stdout
    assert json.loads(printed) == of_file(project.model, project.top)


def _zip(folder: Path) -> None:
    """Put all files of a folder into one archive in it, as they are."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    with zipfile.ZipFile(folder / "export.zip", "w") as export:
        for file in files:
            export.write(file, file.relative_to(folder))
            file.unlink()


@pytest.mark.parametrize("form", ["folder", "zip"])
def test_a_withdrawn_patient_leaves_no_image_byte_and_the_tables_still_answer(
    finished: Checkout, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, form: str
) -> None:
    monkeypatch.setenv("SONOTRACE_PATIENT_KEY", "a key of the hospital that nobody else knows")
    checkout = clone(tmp_path)
    origin = checkout.path / "data/incoming/planes"
    shutil.copytree(finished.path / "data/planes/pull/images", origin)
    rows = pd.read_csv(finished.path / "data/planes/pull/manifest.csv", dtype=str)
    rows.rename(columns={"image": "Image_name", "label": "Plane"})[["Image_name", "Plane"]].to_csv(
        origin / "image_label.csv", index=False
    )
    if form == "zip":
        _zip(origin)
    checkout.set_params({"pull.planes.source": "incoming"})
    if form == "folder":  # whose packs lie in one more place
        checkout.set_params({"shards.prepare": "[planes]"})
    remote = tmp_path / "remote"
    checkout.run("dvc", "remote", "add", "--default", "remote", str(remote))
    checkout.run("sonotrace", "patient-key")

    def land(message: str) -> pd.DataFrame:
        checkout.run("dvc", "add", "data/incoming/planes")
        checkout.run("dvc", "repro", "augment@planes")
        checkout.commit(message)
        checkout.run("dvc", "push")
        return pd.read_csv(checkout.path / "data/planes/split/split.csv", dtype=str).set_index("image")

    before = land("With everyone")
    leaving = before[before["side"] == "train"]["patient"].iloc[0]
    pictures = {path.read_bytes() for path in (checkout.path / "data/planes/pull/images").rglob(f"Patient{leaving}_*")}
    pulled = len(pictures)
    for stage in ("prepare", "augment"):
        stored = stored_in(checkout.path / f"data/planes/{stage}/images")
        pictures |= {part.content() for image, part in stored.items() if image.startswith(f"Patient{leaving}_")}
    assert len(pictures) == 3 * pulled > 0

    checkout.run("sonotrace", "withdraw", leaving, "--reason", "consent withdrawn")
    after = land("A withdrawal")
    assert leaving not in set(after["patient"])
    staying = before[before["patient"] != leaving]
    assert after["side"].to_dict() == staying["side"].to_dict()
    assert leaving not in (checkout.path / "data/withdrawn.csv").read_text()

    for line in checkout.run("sonotrace", "lineage", "--patient", leaving, "--blobs").splitlines():
        md5 = line.split()[0]
        for store in (checkout.path / ".dvc/cache", remote):
            (store / "files/md5" / md5[:2] / md5[2:]).unlink(missing_ok=True)
    if form == "zip":
        with zipfile.ZipFile(origin / "export.zip") as export:
            export.extractall(origin)
        (origin / "export.zip").unlink()
    for path in origin.rglob(f"Patient{leaving}_*"):
        path.unlink()
    if form == "zip":
        _zip(origin)
    land("Without their files")
    for top in (checkout.path, remote):
        for path in filter(Path.is_file, top.rglob("*")):
            content = path.read_bytes()
            assert not any(picture in content for picture in pictures), path
    found = json.loads(checkout.run("sonotrace", "lineage", "--patient", leaving, "--json"))
    assert [list(entry["sides"]) for entry in found["held"]] == [["train"]]
    assert [commit["subject"] for entry in found["held"] for commit in entry["commits"]] == ["With everyone"]
