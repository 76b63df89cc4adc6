"""A checkout as the stages before the report leave it: tables, small images, metrics and plots, without any training.

The scores are computed from the tables by the project's own functions.
"""

import contextlib
import copy
import hashlib
import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import yaml
from packed import packed
from recorded_run import REQUIREMENTS, commit, git

from sonotrace import scores
from sonotrace.images.grey import write_png
from sonotrace.images.preparation import Preparation
from sonotrace.kinds.planes import PLANES
from sonotrace.kinds.structures import STRUCTURES
from sonotrace.params import load
from sonotrace.records.history import folder_md5
from sonotrace.records.store import md5_of
from sonotrace.running.outputs import write_csv, write_json
from sonotrace.scores import groups, localisation
from sonotrace.scores.report import figure, files
from sonotrace.stages import gather as gather_stage
from sonotrace.stages import gather_scope as gather_scope_stage
from sonotrace.stages import report as report_stage
from sonotrace.tables import BOX_COLUMNS, USED_BOX_COLUMNS, image_table

TOP = Path(__file__).parents[1]
ALL = ("planes", "structures", "abroad", "strange")
PATIENT, FILE_MARK = "secretpatient", "secretfile"
"""What names of patients and of image files begin with."""
HOSTILE = '</script><script>alert("x")</script>'
"""A scanner's name as a snapshot may hold it."""
SIZE = {"planes": (64, 64), "structures": (160, 108), "abroad": (64, 64), "strange": (64, 64)}


def make(top, data_sets=ALL, folds=False, patients="hidden", images=40):
    """Write the checkout into `top`; `images` of each data set are on the test side, half of them misread."""
    (top / "data").mkdir(parents=True)
    params = _params(data_sets, folds, patients)
    (top / "params.yaml").write_text(yaml.safe_dump(params, sort_keys=False))
    models = top / "models"
    models.mkdir()
    for name in ("planes.keras", "structures.pt"):
        (models / name).write_bytes(name.encode() * 50)
    everything = load(top / "params.yaml")
    for seed, name in enumerate(data_sets):
        _data_set(top, name, everything, np.random.default_rng(seed), images)
    if folds:
        _folds(top)


def _params(data_sets, folds, patients):
    params = yaml.safe_load((TOP / "params.yaml").read_text())
    params["report"]["patients"] = patients
    for section, parts in params.items():
        for name, like in {"abroad": "planes", "strange": "planes"}.items():
            if like in parts and section not in (
                "augment",
                "train_cnn",
                "train_yolo",
                "export_onnx",
                "folds",
                "report",
            ):
                parts[name] = copy.deepcopy(parts[like])
        if section == "pull":
            pull = parts["strange"]
            parts["strange"] = {
                "source": "incoming", "kind": "out_of_scope", "patient_pattern": "(?P<patient>.+)",
                "incoming": pull["incoming"],
            }  # fmt: skip
        if section == "split":
            for name in ("abroad", "strange"):
                parts[name]["fractions"] = {"train": 0, "val": 0, "test": 1}
        if section == "validate":
            del parts["strange"]["classes"]
    del params["evaluate"]["strange"]
    own = {"model": "models/planes.keras", "trained_on": "planes", "bootstrap": 100, "seed": 1}
    params["evaluate_scope"]["strange"] = own | {"generated": 0, "threads": 1, "device": "cpu"}
    for name in ("planes", "structures", "abroad"):
        params["evaluate"][name]["bootstrap"] = 100
    for name, (width, height) in SIZE.items():
        params["prepare"][name] |= {"width": width, "height": height}
    params["train_cnn"]["planes"]["epochs"] = 3
    if folds:
        params["folds"] |= {"data_sets": ["planes"], "numbers": [1, 2]}
    for section, parts in params.items():
        if section not in ("folds", "shards", "report"):
            params[section] = {name: part for name, part in parts.items() if name in data_sets}
    return params


def _data_set(top, name, params, random, images):
    kind, place = params.kind(name), top / "data" / name
    (width, height), sides = SIZE[name], ["test"] * images
    if name in ("planes", "structures"):
        sides += ["train"] * (2 * images) + ["val"] * (images // 2)
    labels = ["cervix", "hip"] if name == "strange" else PLANES
    rows, pictures = [], {}
    for number, side in enumerate(sides):
        image, file = f"{FILE_MARK}{name}{number:04}", f"images/{FILE_MARK}{name}{number:04}.png"
        picture = np.clip(random.normal(60, 40, (height, width)), 0, 255).astype(np.uint8)
        (place / "pull/images/images").mkdir(parents=True, exist_ok=True)
        write_png(picture, place / f"pull/images/{file}")
        pictures[image] = picture
        rows.append({
            "image": image, "file": file, "patient": f"{PATIENT}{name}{number // 3}", "width": width, "height": height,
            "sha256": hashlib.sha256((place / "pull/images" / file).read_bytes()).hexdigest(),
            "label": "" if kind.has_boxes else labels[number % len(labels)], "labelled_by": f"t.csv:{number}",
            "scanner": "" if name == "structures" else ["GE Voluson", HOSTILE][number % 2], "site": "",
            "side": side,
        })  # fmt: skip
    packed(place / "prepare/images", pictures)
    table = image_table(rows).fillna("")
    sided = table.assign(side=table["image"].map({row["image"]: row["side"] for row in rows}))
    quarantine = _quarantine(place, name)
    apart = quarantine[["image", "file"]].assign(
        width=0,
        height=0,
        sha256=[hashlib.sha256(file.encode()).hexdigest() if file else "" for file in quarantine["file"]],
    )
    write_csv(pd.concat([table, apart]).fillna(""), place / "pull/manifest.csv")
    write_csv(table, place / "validate/accepted.csv")
    write_csv(quarantine, place / "validate/quarantine.csv")
    write_csv(sided, place / "split/split.csv")
    boxes = _boxes(table, random) if kind.has_boxes else pd.DataFrame(columns=list(USED_BOX_COLUMNS))
    write_csv(pd.DataFrame(columns=list(BOX_COLUMNS)), place / "pull/boxes.csv")
    write_csv(boxes, place / "prepare/boxes.csv")
    _reports(top, name, kind, table, sided, quarantine, boxes)
    test = sided[sided["side"] == "test"].reset_index(drop=True)
    _evaluated(top, name, kind, params, test, boxes, random)


def _quarantine(place, name):
    (place / "pull/images/images/broken.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    write_png(np.full((40, 50), 200, np.uint8), place / f"pull/images/images/{FILE_MARK}{name}odd.png")
    rows = [
        ("broken", "images/broken.png", "", "unreadable image", "damaged or cut short"),
        (f"{FILE_MARK}{name}odd", f"images/{FILE_MARK}{name}odd.png", "", "unknown label", f"{PATIENT}9 is no plane"),
        (f"{FILE_MARK}{name}gone", "", "t.csv:9", "row without image", f"no image {FILE_MARK}{name}gone"),
    ]
    return pd.DataFrame(rows, columns=["image", "file", "labelled_by", "reason", "detail"])


def _boxes(table, random):
    rows = []
    for image in table["image"]:
        for structure, (x0, y0, x1, y1) in zip(
            STRUCTURES, ((90, 60, 120, 80), (40, 45, 60, 60), (20, 48, 140, 58)), strict=True
        ):
            shift = random.integers(-5, 6)
            rows.append((image, structure, x0 + shift, y0, x1 + shift, y1))
    return pd.DataFrame(rows, columns=list(USED_BOX_COLUMNS)).astype(dict.fromkeys(("x0", "y0", "x1", "y1"), float))


def _reports(top, name, kind, table, sided, quarantine, boxes):
    classes = boxes["structure"] if kind.has_boxes else table["label"]
    place = top / "reports" / name
    drawn = {"source": "phantom", "version": "drawn", "licence": ""}
    real = {"source": "incoming", "version": "2", "licence": "CC BY 4.0"}
    made = {"preprocessing": {"resize": "64x64"}, "augmentation": {}, "images": len(table), "rows": len(table) + 3}
    reviewed = {"corrections": {"A. Lovelace, 2026-11-26": "2 relabelled"}} if name == "planes" else {}
    write_json(
        (drawn if name == "structures" else real)
        | {"fingerprint": "sha256:" + "4" * 64}
        | made
        | {"withdrawn": 1}
        | reviewed,
        place / "snapshot.json",
    )
    write_json({
        "rows": len(table) + 3, "accepted": len(table), "out_of_scope": 0, "quarantined": len(quarantine),
        "quarantined_by_reason": dict.fromkeys(quarantine["reason"], 1), "unlike_the_rest": {"coloured": 2},
        "patients": int(table["patient"].nunique()), "patients_by_number_of_images": {"3": 10},
        kind.count_of_classes: {str(key): int(count) for key, count in classes.value_counts().items()},
        "images_by_size_px": {"64x64": len(table)}, "images_by_scanner": {}, "images_by_site": {},
    }, place / "data.json")  # fmt: skip
    sides = {
        side: {"patients": int(own["patient"].nunique()), "images": len(own)} for side, own in sided.groupby("side")
    }
    write_json(sides, place / "split.json")


def _evaluated(top, name, kind, params, test, boxes, random):
    stage = "evaluate_scope" if name == "strange" else "evaluate"
    stated = getattr(params, stage)[name]
    predictions = _found(boxes, test, random) if kind.has_boxes else _named(test, random, name)
    write_csv(predictions, top / "data" / name / stage / "predictions.csv")
    if stage == "evaluate_scope":
        known = pd.read_csv(top / "data/planes/evaluate/predictions.csv", dtype={"in_scope": str})
        predictions = pd.concat(
            [predictions.assign(data_set=name), known.assign(data_set="planes", in_scope=known["in_scope"].str.lower())]
        )
        write_csv(predictions, top / "data" / name / stage / "predictions.csv")
    scored = scores.of(kind)
    for ending, content in files(*scored.metrics(predictions, test, boxes, stated)).items():
        write_json(content, top / f"metrics/{name}{ending}.json")
    if stage == "evaluate_scope":
        return
    write_json(groups.by_group(kind, predictions, test, boxes, stated), top / f"metrics/{name}_groups.json")
    prepared = Preparation.from_mapping(params.prepare[name].model_dump())
    tight = localisation.by_structure(predictions, test, boxes, prepared, stated)
    write_json(tight, top / f"metrics/{name}_localisation.json")
    for plot, points in scored.plots(predictions, test, boxes).items():
        write_csv(points, top / f"plots/{name}/{plot}.csv")
    if name == "planes":
        write_json({"loss": 0.5, "accuracy": 0.8}, top / "metrics/planes_validation.json")
        _robustness(top, len(test))
        for series in ("loss", "val/loss", "accuracy", "val/accuracy"):
            path = top / f"plots/train_cnn/planes/plots/metrics/{series}.tsv"
            path.parent.mkdir(parents=True, exist_ok=True)
            column = path.stem
            path.write_text(f"step\t{column}\n" + "".join(f"{step}\t{1 / (step + 1)}\n" for step in range(3)))


def _named(test, random, name):
    rows = []
    for number, row in enumerate(test.to_dict("records")):
        own = PLANES.index(row["label"]) if row["label"] in PLANES else number % 4
        chosen = own if number % 2 or name == "strange" else (own + 1) % 4
        values = random.dirichlet(np.ones(4))
        values = np.sort(values)[::-1]
        probabilities = np.roll(values, chosen).round(6)
        beyond = round(float(random.normal(-2, 1.5)), 4)
        rows.append(
            (
                row["image"],
                row["patient"],
                row["label"],
                PLANES[chosen],
                beyond,
                str(beyond <= 0).lower(),
                *probabilities,
            )
        )
    return pd.DataFrame(rows, columns=["image", "patient", "label", "predicted", "scope", "in_scope", *PLANES])


def _found(boxes, test, random):
    rows = []
    for number, image in enumerate(test["image"]):
        for box in boxes[boxes["image"] == image].to_dict("records"):
            away = 0 if (number + STRUCTURES.index(box["structure"])) % 3 else 60
            corners = (box["x0"] + away, box["y0"], box["x1"] + away, box["y1"])
            rows.append((image, box["structure"], round(float(random.uniform(0.3, 1)), 4), *corners))
    return pd.DataFrame(rows, columns=["image", "structure", "confidence", "x0", "y0", "x1", "y1"])


def _robustness(top, images):
    one = figure(0.5, 0.4, 0.6)
    changes = {"mirrored": {"accuracy": one, "difference": figure(-0.1, -0.2, 0.0), "other": figure(0.2, 0.1, 0.3)}}
    write_json({
        "score": "accuracy", "interval": "95 %, bootstrap over patients", "n_images": images, "n_patients": 14,
        "as_is": figure(0.6, 0.5, 0.7), "changes": changes, "worst": "mirrored",
    }, top / "metrics/planes_robustness.json")  # fmt: skip


def _folds(top):
    detail = json.loads((top / "metrics/planes_detail.json").read_text())
    spread = {"accuracy_by_fold": {"1": 0.61, "2": 0.55}, "accuracy_by_seed": {"1": 0.58}}
    write_json(detail | spread, top / "metrics/planes_folds_detail.json")
    shutil.copyfile(top / "metrics/planes.json", top / "metrics/planes_folds.json")


def report(top):
    """Run the stages of the report in the checkout, and return the page."""
    with contextlib.chdir(top):
        params = load()
        for name in params.evaluate:
            gather_stage.run(name)
        for name in params.evaluate_scope:
            gather_scope_stage.run(name)
        report_stage.run()
    return (top / "reports/index.html").read_text(encoding="utf-8")


def record(top):
    """Commit the checkout with a `dvc.lock` of all that is in it, as a run would."""
    params = load(top / "params.yaml")
    for name, content in (("dvc.yaml", "stages: {}\n"), ("requirements.lock", REQUIREMENTS)):
        (top / name).write_text(content)
    (top / ".gitignore").write_text("/data/\n/models/\n/reports/index.html\n")
    entries = {}
    for name in params.data_sets:
        stage = "evaluate" if name in params.evaluate else "evaluate_scope"
        data, reports = f"data/{name}", f"reports/{name}"
        training, kind = params.kind(name).training, params.kind(name)
        whole = yaml.safe_load((top / "params.yaml").read_text())
        entries |= {
            f"pull@{name}": _entry(
                top,
                [f"{data}/pull/manifest.csv", f"{reports}/snapshot.json"],
                {f"pull.{name}": whole["pull"][name]},
            ),
            f"validate@{name}": _entry(top, [f"{data}/validate/quarantine.csv", f"{reports}/data.json"]),
            f"split@{name}": _entry(top, [f"{data}/split/split.csv", f"{reports}/split.json"]),
        }
        if name in params.learned:
            own = {f"{training}.{name}": whole[training][name]}
            entries[f"{training}@{name}"] = _entry(top, [kind.model(name).as_posix()], own)
        metrics = sorted(path.relative_to(top).as_posix() for path in (top / "metrics").glob(f"{name}*.json"))
        plots = [f"plots/{name}"] if (top / "plots" / name).is_dir() else []
        outs = [f"{data}/{stage}/predictions.csv", *metrics, *plots]
        entries[f"{stage}@{name}"] = _entry(top, outs, {f"{stage}.{name}": whole[stage][name]})
        entries[f"gather@{name}"] = _entry(top, [f"data/for-report/{name}.json"])
    entries["report"] = _entry(top, ["reports/index.html"])
    (top / "dvc.lock").write_text(yaml.safe_dump({"schema": "2.0", "stages": entries}, sort_keys=False))
    git(top, "init", "--quiet", "--initial-branch=main")
    commit(top)


def _entry(top, outs, params=None):
    hashes = [{"path": path, "md5": _md5(top / path)} for path in outs]
    return {"cmd": "true", "outs": hashes} | ({"params": {"params.yaml": params}} if params else {})


def _md5(path):
    if path.is_dir():
        return folder_md5(
            {file.relative_to(path).as_posix(): md5_of(file) for file in path.rglob("*") if file.is_file()}
        )
    return md5_of(path)
