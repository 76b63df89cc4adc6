"""States of a small project: `dvc.lock` and reports in git, tables in DVC's cache; no stage has run."""

import hashlib
import json
import os
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import yaml
from hypothesis import strategies as st

from sonotrace.compare.images import LEFT_OUT, images_of, joined
from sonotrace.compare.revisions import both
from sonotrace.kinds.planes import PLANES
from sonotrace.params.evaluate import EvaluateOne
from sonotrace.scores.planes import metrics as metrics_of_planes
from sonotrace.tables import CORNERS, IMAGE_COLUMNS

EVALUATION = EvaluateOne(
    model="models/planes.keras", trained_on="planes", bootstrap=100, seed=1, threads=1, device="cpu"
)

PARAMETERS = {
    "prepare": {"structures": {"width": 100, "height": 100, "aspect": "stretch", "mask_overlays": False}},
    "evaluate": {"structures": {"confidence": 0.25}},
}


def row(number, **changes):
    """Describe an image: ten by ten, two of each patient, every plane in turn, named rightly with 0.7."""
    plane = PLANES[number % 4]
    return {
        "image": f"Patient{number // 2:05}_{number}",
        "patient": f"{number // 2:05}",
        "content": f"picture {number}",
        "label": plane,
        "predicted": plane,
        "certain": 0.7,
        "side": "test",
        "scanner": "Make Model",
        "width": 10,
        "height": 10,
        "brightness": 50.0 + number,
        "sharpness": 100.0 + number,
        "boxes": [],
        "found": [],
    } | changes


def rows(count=24, **changes):
    """Describe images, all with the same changes."""
    return [row(number, **changes) for number in range(count)]


def tables(data_set, images, statistics=True, kind=None):
    """Make the tables that the stages write, path -> table; boxes are `structure, x0, y0, x1, y1` in px of 10 x 10.

    The kind of the data set is its name unless stated.
    """
    is_planes = (kind or data_set) == "planes"
    manifest = pd.DataFrame("", index=range(len(images)), columns=list(IMAGE_COLUMNS))
    for name in ("image", "patient", "width", "height", "scanner"):
        manifest[name] = [image[name] for image in images]
    manifest["file"] = [f"{image['image']}.png" for image in images]
    manifest["sha256"] = [hashlib.sha256(image["content"].encode()).hexdigest() for image in images]
    if "site" in images[0]:
        manifest["site"] = [image["site"] for image in images]
    if is_planes:
        manifest["label"] = [f"Fetal {image['label']}" for image in images]
    used = [image for image in images if image["side"]]
    split = manifest[[bool(image["side"]) for image in images]].assign(
        label=[image["label"] if is_planes else "" for image in used],
        side=[image["side"] for image in used],
    )
    boxes = [(image["image"], f"{image['image']}.png", *box) for image in images for box in image["boxes"]]
    raw = pd.DataFrame(boxes, columns=["image", "file", "structure", *CORNERS])
    found = {"pull/manifest.csv": manifest, "pull/boxes.csv": raw, "split/split.csv": split}
    if statistics:
        measured = pd.DataFrame(images)[["image", "brightness", "sharpness"]]
        found["validate/statistics.csv"] = measured.assign(file=measured["image"] + ".png")
    tested = [image for image in used if image["side"] == "test"]
    if is_planes:
        if tested:
            found["evaluate/predictions.csv"] = _predicted_planes(tested)
    else:
        found["prepare/boxes.csv"] = raw.drop(columns="file").assign(**{name: raw[name] * 10 for name in CORNERS})
        found["evaluate/predictions.csv"] = pd.DataFrame(
            [(image["image"], *box) for image in tested for box in image["found"]],
            columns=["image", "structure", "confidence", *CORNERS],
        )
    return {f"data/{data_set}/{name}": table for name, table in found.items()}


def _predicted_planes(tested):
    names = list(dict.fromkeys([*PLANES, *(image["label"] for image in tested)]))
    table = pd.DataFrame(tested)[["image", "patient", "label", "predicted"]]
    for name in names:
        table[name] = [
            image["certain"] if image["predicted"] == name else (1 - image["certain"]) / (len(names) - 1)
            for image in tested
        ]
    return table


class Project:
    """A repository to which states are committed; nothing is run."""

    def __init__(self, top: Path) -> None:
        self.top = top
        (top / ".dvc").mkdir(parents=True)
        (top / ".dvc/config").write_text("")
        (top / ".gitignore").write_text("/data/\n/.dvc/\n")
        self.git("init", "--quiet", "--initial-branch=main")

    def git(self, *arguments: str) -> str:
        author = {f"GIT_{who}_{what}": "a@b" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
        done = subprocess.run(
            ["git", *arguments], cwd=self.top, env=os.environ | author, capture_output=True, text=True, check=True
        )
        return done.stdout.strip()

    def write(self, path: str, text: str) -> None:
        (self.top / path).parent.mkdir(parents=True, exist_ok=True)
        (self.top / path).write_text(text)

    def state(self, name: str, *parts: Mapping[str, pd.DataFrame], parameters=None, files=None, metrics=False) -> str:
        """Commit tables, parameters and files, and tag them; the workspace is left as the commit is."""
        outputs = {path: table.to_csv(index=False) for part in parts for path, table in part.items()}
        for path, text in outputs.items():
            self.write(path, text)
            md5 = md5_of(text)
            self.write(f".dvc/cache/files/md5/{md5[:2]}/{md5[2:]}", text)
        stages: dict[str, Any] = {}
        for path, text in outputs.items():
            _, data_set, stage, _ = path.split("/")
            entry = stages.setdefault(f"{stage}@{data_set}", {"cmd": "make", "outs": []})
            entry["outs"].append({"path": path, "hash": "md5", "md5": md5_of(text)})
        self.write("dvc.lock", yaml.safe_dump({"schema": "2.0", "stages": stages}, sort_keys=False))
        self.write("params.yaml", yaml.safe_dump(PARAMETERS if parameters is None else parameters))
        for path, table in ((path, table) for part in parts for path, table in part.items()):
            if metrics and path == "data/planes/evaluate/predictions.csv":
                _, detail = metrics_of_planes(table, table, table[:0], EVALUATION)
                self.write("metrics/planes_detail.json", json.dumps(detail))
        for path, text in (files or {}).items():
            self.write(path, text)
        self.git("add", "--all")
        self.git("commit", "--quiet", "--allow-empty", "--message", name)
        self.git("tag", "--force", name)
        return name


def joined_images(project, data_set, before, after):
    """Commit two states as `a` and `b`; return the table of their images side by side."""
    project.state("a", tables(data_set, before))
    project.state("b", tables(data_set, after))
    return joined_states(project, data_set, "a", "b")


def joined_states(project, data_set, a, b):
    """Return the table of the images of two committed states."""
    one, other = both(a, b, project.top)
    return joined(images_of(one, data_set), images_of(other, data_set))


def md5_of(text: str) -> str:
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()


def noisy(images, seed, wrong):
    """Let a model name the plane of a share of images wrongly."""
    random = np.random.default_rng(seed)
    return [
        image | ({"predicted": PLANES[(PLANES.index(image["label"]) + 1) % 4]} if random.random() < wrong else {})
        for image in images
    ]


TYPES = dict.fromkeys(("sha256", "patient", "label", "side", "scanner"), str) | {"width": int, "height": int}
IMAGE = st.fixed_dictionaries(
    {
        "sha256": st.sampled_from("123"),
        "patient": st.sampled_from("pqr"),
        "label": st.sampled_from(["CSP", "CSP; MIDLINE_FALX", "no box"]),
        "side": st.sampled_from(["train", "val", "test", LEFT_OUT]),
        "scanner": st.sampled_from(["E6", "unknown"]),
        "width": st.integers(1, 3),
        "height": st.integers(1, 3),
    }
)
IMAGES = st.dictionaries(st.sampled_from("abcdef"), IMAGE).map(
    lambda images: pd.DataFrame(
        {name: pd.Series([image[name] for image in images.values()], dtype=kind) for name, kind in TYPES.items()}
    ).set_index(pd.Index(list(images), dtype=str))
)
"""Tables such as `images.images_of` returns."""
