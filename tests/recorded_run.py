"""A repository that looks as if both pipelines had run: real git, a real `dvc.lock`, tiny files."""

import hashlib
import json
import os
import subprocess
from pathlib import Path

import yaml

from sonotrace.records.history import folder_md5
from sonotrace.tables import BOX_COLUMNS, IMAGE_COLUMNS

PATIENT = "04711"
IMAGE = f"Patient{PATIENT}_Plane3"
REQUIREMENTS = f"""\
colorama==0.4.6 ; sys_platform == 'win32' \\
    --hash=sha256:{"1" * 64}
dvc==3.67.1 \\
    --hash=sha256:{"2" * 64} \\
    --hash=sha256:{"3" * 64}
"""
PARAMS = {
    "train_cnn": {"planes": {"architecture": "residual", "epochs": 3}},
    "train_yolo": {"structures": {"weights": "/home/someone/weights.pt", "epochs": 2}},
}
TRAININGS = {"planes": ("train_cnn", "planes.keras"), "structures": ("train_yolo", "structures.pt")}
SCORE = {"value": 0.75, "low": 0.5, "high": 1.0}
GIT = {"GIT_AUTHOR_NAME": "Ada Example", "GIT_AUTHOR_DATE": "2026-01-02T03:04:05-05:00"}


def _files() -> dict[str, str]:
    row = dict.fromkeys(IMAGE_COLUMNS, "") | {
        "image": IMAGE, "file": f"in/{IMAGE}.png", "sha256": "0" * 64, "patient": PATIENT,
        "width": "640", "height": "480", "label": "brain",
    }  # fmt: skip
    box = {"image": IMAGE, "file": f"in/{IMAGE}.png", "structure": "CSP", "x0": "1", "y0": "2", "x1": "3", "y1": "4"}
    files = {
        "dvc.yaml": "stages: {}\n",
        "params.yaml": yaml.safe_dump(PARAMS),
        "requirements.lock": REQUIREMENTS,
        ".gitignore": "/data/planes/\n/data/structures/\n/data/incoming/planes/\n/models/\n",
        "src/code.py": "pass\n",
        "data/incoming/planes/image_label.csv": f"Image_name,Plane\n{IMAGE},Fetal brain\n",
        "data/phantom/structures/scanners.yaml": "scanners: []\n",
        "models/planes.keras": "planes",
        "models/structures.pt": "structures",
    }
    for data_set, source, group in (("planes", "incoming", "brain"), ("structures", "phantom", "CSP")):
        snapshot = {
            "source": source, "version": "", "fingerprint": f"sha256:{'4' * 64}", "licence": "CC BY 4.0",
            "preprocessing": {"resize": "640x480"}, "augmentation": {}, "images": 1, "rows": 1, "withdrawn": 0,
        }  # fmt: skip
        detail = {
            "interval": "95 %, bootstrap over patients", "n_images": 9, "n_patients": 5,
            "overall": {"f1": SCORE, "roc_auc": {"value": None, "low": None, "high": None}},
            ("per_plane" if data_set == "planes" else "per_structure"): {group: {"n": 4, "recall": SCORE}},
        }  # fmt: skip
        files |= {
            f"reports/{data_set}/snapshot.json": json.dumps(snapshot),
            f"reports/{data_set}/split.json": json.dumps({"train": {"patients": 1, "images": 1, group: 1}}),
            f"metrics/{data_set}_detail.json": json.dumps(detail),
            f"reports/{data_set}/test_patients.csv": f"patient\n{PATIENT}\n",
            f"plots/{data_set}/roc.csv": "x,y\n0,0\n",
            f"data/{data_set}/pull/images/in/{IMAGE}.png": "picture",
            f"data/{data_set}/pull/manifest.csv": f"{','.join(row)}\n{','.join(row.values())}\n",
            f"data/{data_set}/pull/boxes.csv": f"{','.join(BOX_COLUMNS)}\n{','.join(box.values())}\n",
            f"data/{data_set}/split/split.csv": f"{','.join(row)},side\n{','.join(row.values())},train\n",
        }
    return files


def make(top: Path) -> Path:
    """Write the repository into `top` and commit it; images and models are in git's shadow, as in the project."""
    for name, content in _files().items():
        (top / name).parent.mkdir(parents=True, exist_ok=True)
        (top / name).write_text(content)
    out = {"md5": _md5(top / "data/incoming/planes"), "path": "planes"}
    (top / "data/incoming/planes.dvc").write_text(yaml.safe_dump({"outs": [out]}))
    relock(top)
    git(top, "init", "--quiet", "--initial-branch=main")
    commit(top)
    return top


def relock(top: Path) -> None:
    """Write the `dvc.lock` of a run of the workspace as it is."""
    params = yaml.safe_load((top / "params.yaml").read_text())
    stages = {}
    for data_set, source in (("planes", "incoming"), ("structures", "phantom")):
        training, model = TRAININGS[data_set]
        # Before each training had a part for each data set, neither stages nor parameters named one.
        is_older = data_set not in params[training]
        stage, section = (training, training) if is_older else (f"{training}@{data_set}", f"{training}.{data_set}")
        values = params[training] if is_older else params[training][data_set]
        tables, split = f"data/{data_set}/pull", f"data/{data_set}/split/split.csv"
        pulled = [f"{tables}/images", f"{tables}/manifest.csv", f"{tables}/boxes.csv"]
        stages |= {
            f"pull@{data_set}": _stage(
                top, [f"data/{source}/{data_set}", "src"], [*pulled, f"reports/{data_set}/snapshot.json"]
            ),
            f"split@{data_set}": _stage(
                top,
                pulled[:2],
                [split, *(f"reports/{data_set}/{name}" for name in ("split.json", "test_patients.csv"))],
            ),
            stage: _stage(top, [split], [f"models/{model}"], {section: values}),
            f"evaluate@{data_set}": _stage(
                top, [f"models/{model}", split], [f"metrics/{data_set}_detail.json", f"plots/{data_set}"]
            ),
        }
    (top / "dvc.lock").write_text(yaml.safe_dump({"schema": "2.0", "stages": stages}, sort_keys=False))


def _stage(top: Path, deps: list[str], outs: list[str], params: dict | None = None) -> dict:
    entry = {"cmd": "true", "deps": [{"path": path, "md5": _md5(top / path)} for path in deps]}
    if params:
        entry["params"] = {"params.yaml": params}
    return entry | {"outs": [{"path": path, "md5": _md5(top / path)} for path in outs]}


def _md5(path: Path) -> str:
    if path.is_file():
        return hashlib.md5(path.read_bytes()).hexdigest()  # noqa: S324  DVC's hash
    return folder_md5({file.relative_to(path).as_posix(): _md5(file) for file in path.rglob("*") if file.is_file()})


def git(top: Path, *arguments: str) -> None:
    """Run git in the repository, as the same author at the same time."""
    author = {"GIT_AUTHOR_EMAIL": "a@b", "GIT_COMMITTER_NAME": "c", "GIT_COMMITTER_EMAIL": "c@d"}
    date = {"GIT_COMMITTER_DATE": "2026-01-02T03:04:05Z"}
    subprocess.run(
        ["git", "-C", top, *arguments], env=os.environ | author | date | GIT, check=True, capture_output=True
    )


def commit(top: Path) -> None:
    """Commit all that is not ignored."""
    git(top, "add", "--all")
    git(top, "commit", "--quiet", "--message", "A run")


def exported(folder: Path) -> dict[str, bytes]:
    """Return path -> content of every file below a folder."""
    return {file.relative_to(folder).as_posix(): file.read_bytes() for file in folder.rglob("*") if file.is_file()}
