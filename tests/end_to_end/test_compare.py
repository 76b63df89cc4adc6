"""States of a real history, with an experiment and the workspace, are compared without a checkout.

The stages have the names and outputs of the pipeline's and do next to nothing, so that states are made in seconds.
"""

import csv
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

STAGE = """
import csv, hashlib, json, pathlib, sys, yaml
PLANES = ["abdomen", "brain", "femur", "thorax"]
def write(path, names, rows):
    path = pathlib.Path("data/planes", path); path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="") as stream:
        made = csv.DictWriter(stream, names, extrasaction="ignore", lineterminator="\\n"); made.writeheader()
        made.writerows(rows)
images = json.loads(pathlib.Path("images.json").read_text())
for image in images:
    image |= {"file": image["image"] + ".png", "sha256": hashlib.sha256(image["content"].encode()).hexdigest()}
    image |= {"width": 10, "height": 10, "scanner": "E6", "brightness": image["grey"], "sharpness": 5}
facts = ["image", "file", "sha256", "patient", "width", "height", "label", "scanner"]
test = [image for image in images if image["side"] == "test"]
if sys.argv[1] == "pull":
    write("pull/manifest.csv", facts, images)
elif sys.argv[1] == "validate":
    write("validate/statistics.csv", ["image", "file", "brightness", "sharpness"], images)
elif sys.argv[1] == "split":
    write("split/split.csv", [*facts, "side"], images)
else:
    wrong = yaml.safe_load(open("params.yaml"))["train"]["wrong"]
    for image in test:
        at = PLANES.index(image["label"])
        mistaken = int(hashlib.sha256(image["content"].encode()).hexdigest(), 16) % 100 < wrong
        image["predicted"] = PLANES[(at + mistaken) % 4]
        image |= {name: 0.7 if name == image["predicted"] else 0.1 for name in PLANES}
    write("evaluate/predictions.csv", ["image", "patient", "label", "predicted", *PLANES], test)
    right = sum(image["label"] == image["predicted"] for image in test) / len(test)
    score = {"accuracy": {"value": right, "low": right - 0.1, "high": right + 0.1}}
    detail = {"n_images": len(test), "n_patients": len({image["patient"] for image in test}), "overall": score}
    pathlib.Path("metrics").mkdir(exist_ok=True)
    pathlib.Path("metrics/planes_detail.json").write_text(json.dumps(detail))
"""


def _stage(name, out, **more):
    made = {"cmd": f"python src/stage.py {name}", "deps": ["images.json", "src/stage.py"]}
    return {"foreach": ["planes"], "do": made | {"outs": [f"data/planes/{name}/{out}.csv"]} | more}


GRAPH = {
    "stages": {
        "pull": _stage("pull", "manifest"),
        "validate": _stage("validate", "statistics"),
        "split": _stage("split", "split"),
        "evaluate": _stage(
            "evaluate", "predictions", params=["train"], metrics=[{"metrics/planes_detail.json": {"cache": False}}]
        ),
    }
}


def _image(number, **changes):
    label = ("abdomen", "brain", "femur", "thorax")[number % 4]
    patient = f"{number // 2:03}"
    side = "train" if number < 20 else "test"
    made = {"image": f"P{patient}_{number}", "patient": patient, "content": f"picture {number}", "label": label}
    return made | {"side": side, "grey": 40 + number} | changes


class History:
    """A repository with DVC."""

    def __init__(self, top: Path) -> None:
        self.top, self.home = top / "clone", top / "home"
        self.home.mkdir(parents=True)
        (self.top / "src").mkdir(parents=True)
        (self.top / "dvc.yaml").write_text(yaml.safe_dump(GRAPH, sort_keys=False))
        (self.top / "src/stage.py").write_text(STAGE)
        self.run("git", "init", "--quiet", "--initial-branch=main")
        self.run("dvc", "init", "--quiet")

    def run(self, *command: str, code: int = 0) -> str:
        """Run a command in the repository; return what it printed on standard output."""
        tools = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
        author = {f"GIT_{who}_{what}": "a@b" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "DVC", "GIT"))}
        environment = kept | author | {"PATH": tools, "HOME": str(self.home), "DVC_NO_ANALYTICS": "1"}
        done = subprocess.run(command, cwd=self.top, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == code, done.stdout + done.stderr
        return done.stdout

    def compare(self, *arguments: str, code: int = 0) -> str:
        return self.run(sys.executable, "-m", "sonotrace", "compare", *arguments, code=code)

    def commit(self, images, wrong, tag) -> None:
        (self.top / "images.json").write_text(json.dumps(images))
        (self.top / "params.yaml").write_text(f"train: {{wrong: {wrong}}}\n")
        self.run("dvc", "repro", "--quiet")
        self.run("git", "add", "--all")
        self.run("git", "commit", "--quiet", "--message", tag)
        self.run("git", "tag", tag)


FIRST = [_image(number) for number in range(120)]
SECOND = [
    *FIRST[:18],  # patient 009 is gone
    _image(20, label="brain"),  # relabelled, on the test side
    _image(21, content="taken again"),  # changed
    _image(22, image="P011_renamed"),  # renamed
    *FIRST[23:116],
    _image(116, side="train"),  # patient 058 moved from test to train
    _image(117, side="train"),
    *FIRST[118:],
    _image(200, side="train", grey=250),  # added
    _image(201, side="train", grey=250),
]


@pytest.fixture(scope="module")
def history(tmp_path_factory: pytest.TempPathFactory) -> History:
    """Return two tags on a branch and an experiment; the workspace is at the second tag."""
    made = History(tmp_path_factory.mktemp("compare"))
    made.commit(FIRST, 10, "v1")
    made.commit(SECOND, 12, "v2")
    made.run("dvc", "exp", "run", "--quiet", "--name", "careless", "-S", "train.wrong=50")
    made.run("git", "checkout", "--quiet", "--", ".")
    made.run("dvc", "checkout", "--quiet")
    return made


def test_every_change_of_the_data_is_counted_and_patients_are_only_in_the_list(history, tmp_path):
    printed = history.compare("v1", "v2", "--json", "--csv", str(tmp_path / "list.csv"))
    data = json.loads(printed)["data"]["planes"]
    assert data["images"] == {
        "a": 120,
        "b": 120,
        "added": 2,
        "removed": 2,
        "renamed": 1,
        "changed": 1,
        "relabelled": 1,
        "moved": 2,
        "set apart": 0,
        "taken in": 0,
        "other patient": 0,
    }
    assert data["patients"] == {"a": 60, "b": 60, "added": 1, "removed": 1}
    assert data["moves"] == [{"from": "test", "to": "train", "images": 2, "patients": 1}]
    with (tmp_path / "list.csv").open() as stream:
        rows = {row["image_after"] or row["image_before"]: row for row in csv.DictReader(stream)}
    assert {image: row["changes"] for image, row in rows.items()} == {
        "P009_18": "removed",
        "P009_19": "removed",
        "P010_20": "relabelled",
        "P010_21": "changed",
        "P011_renamed": "renamed",
        "P058_116": "moved",
        "P058_117": "moved",
        "P100_200": "added",
        "P100_201": "added",
    }
    assert (rows["P010_20"]["label_before"], rows["P010_20"]["label_after"]) == ("abdomen", "brain")
    assert "P009" not in printed
    brighter = {row["images"]: row for row in data["statistics"] if row["feature"] == "brightness"}
    assert (brighter["added"]["cliffs_delta"], brighter["added"]["effect"]) == (1.0, "large")
    assert brighter["all"]["effect"] == "negligible"


def test_scores_are_compared_on_common_images_and_small_differences_stop_nothing(history):
    found = json.loads(history.compare("v1", "v2", "--json"))
    common = found["scores"]["planes"]["common"]
    assert (common["images"], common["patients"], common["relabelled"]) == (97, 49, 1)
    assert common["scores"]["macro_f1"]["verdict"] == "not distinguishable"
    assert found["settings"]["parameters"] == [{"key": "train.wrong", "a": 10, "b": 12}]
    assert found["settings"]["code"] == []


def test_a_worse_experiment_ends_with_code_3_and_the_way_back_with_0(history, tmp_path):
    printed = history.compare("main", "careless", "--html", str(tmp_path / "page.html"), code=3)
    assert "planes: macro_f1: worse, by 0." in printed
    assert "macro_f1: worse, by 0." in (tmp_path / "page.html").read_text()
    back = json.loads(history.compare("careless", "main", "--json"))
    assert back["scores"]["planes"]["common"]["scores"]["macro_f1"]["verdict"] == "better"


def test_nothing_is_checked_out(history):
    before = {path: path.stat().st_mtime_ns for path in history.top.rglob("*") if path.is_file()}
    history.compare("v1", "careless", code=3)
    after = {path: path.stat().st_mtime_ns for path in history.top.rglob("*") if path.is_file()}
    own = (history.top / ".sonotrace", history.top / ".dvc/tmp")
    assert {path for path in before.keys() | after.keys() if before.get(path) != after.get(path)} <= {
        path for path in after if path.is_relative_to(own[0]) or path.is_relative_to(own[1])
    }
    assert history.run("git", "status", "--porcelain").split() in ([], ["??", ".sonotrace/"])


def test_the_workspace_and_a_clone_without_cache_say_what_is_missing(history, tmp_path):
    lost = History.__new__(History)
    lost.top, lost.home = tmp_path / "copy", history.home
    shutil.copytree(history.top, lost.top, symlinks=True)
    shutil.rmtree(lost.top / ".dvc/cache")
    found = json.loads(lost.compare("v1", "workspace", "--json"))
    assert found["data"]["planes"] is None
    assert found["scores"]["planes"]["common"].startswith("predictions or image tables cannot be read")
    assert found["scores"]["planes"]["full"]["scores"]["accuracy"]["b"] > 0
    assert any("no DVC remote is configured" in note for note in found["a"]["notes"])
    assert not any("dvc fetch" in note for note in found["a"]["notes"])
    assert not any("manifest" in note for note in found["b"]["notes"] if "planes" in note)
    same = json.loads(lost.compare("v2", "workspace", "--json"))
    assert same["data"]["planes"]["images"]["changed"] == 0
    (lost.top / "params.yaml").write_text("train: {wrong: 13}\n")
    stale = json.loads(lost.compare("v2", "workspace", "--json"))
    assert stale["settings"]["parameters"] == [{"key": "train.wrong", "a": 12, "b": 13}]
    assert any("with other parameters or code" in note and "evaluate@planes" in note for note in stale["b"]["notes"])


def test_a_state_that_is_not_there_is_one_line(history):
    done = subprocess.run(
        [sys.executable, "-m", "sonotrace", "compare", "v1", "v9"],
        cwd=history.top,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert done.stderr.startswith("error: v9: no commit, branch, tag or experiment of this repository; ")
    assert len(done.stderr.splitlines()) == 1
