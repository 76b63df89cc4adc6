"""docs/new-snapshot.md, command by command, on drawn images: new patients come, and labels are corrected."""

import re
import shutil
import subprocess
from pathlib import Path

import pandas as pd
from checkouts import TOP, Checkout

PLANES = {name.split()[1]: name for name in ("Fetal abdomen", "Fetal brain", "Fetal femur", "Fetal thorax")}


def _commands() -> list[str]:
    """Return the lines of the recipe's blocks of shell commands, without comments."""
    blocks = re.findall(r"```sh\n(.*?)```", (TOP / "docs/new-snapshot.md").read_text(), re.DOTALL)
    return [line for block in blocks for line in block.splitlines()]


def _lay_out(folder: Path, table: pd.DataFrame, images: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for file in table["file"]:
        shutil.copyfile(images / file, folder / Path(file).name)
    rows = table.assign(Plane=table["label"])[["image", "Plane"]].rename(columns={"image": "Image_name"})
    rows.to_csv(folder / "image_label.csv", index=False)


def test_the_recipe_leads_from_new_files_to_a_merge(by_dvc: Checkout, tmp_path: Path) -> None:
    checkout = by_dvc
    table = pd.read_csv(checkout.path / "data/planes/pull/manifest.csv", dtype=str)
    images = tmp_path / "images"
    shutil.copytree(checkout.path / "data/planes/pull/images", images)
    old = table[table["patient"].isin(sorted(table["patient"].unique())[:-3])]
    wrong = old.copy()
    wrong.loc[wrong.index[0], "label"] = next(name for name in PLANES.values() if name != wrong["label"].iloc[0])
    _lay_out(checkout.path / "data/incoming/planes", wrong, images)
    checkout.set_params(
        {"pull.planes.source": "incoming", "train_cnn.planes.architecture": "published"}
    )  # trains faster
    checkout.run("dvc", "add", "data/incoming/planes")
    checkout.run("dvc", "repro")
    checkout.commit("Snapshot 1")
    checkout.run("git", "branch", "--force", "main")
    checkout.run("git", "switch", "--quiet", "main")
    _lay_out(tmp_path / "new", table, images)

    said = {}
    for command in _commands():
        line = command.replace("/your/new/files", str(tmp_path / "new"))
        done = subprocess.run(
            ["bash", "-c", line],
            cwd=checkout.path,
            env=checkout.environment(),
            capture_output=True,
            text=True,
            check=False,
        )
        allowed = {0, 3} if "--html" in line else {0}
        assert done.returncode in allowed, f"{line}: {done.stdout}{done.stderr}"
        said[line.split(" && ")[0]] = done.stdout
        code = done.returncode
    before_training = said["sonotrace compare main workspace"]
    added = len(table) - len(old)
    assert f"{added} added" in before_training
    assert "1 relabelled" in before_training
    assert re.search(r"prepare: \d+ made, (\d+) reused", said["dvc repro"])
    assert (checkout.path / "compare.html").read_text().lower().startswith("<!doctype html>")
    branch = checkout.run("git", "branch", "--show-current").strip()
    assert branch == ("snapshot-2" if code == 3 else "main")
    assert "up to date" in checkout.run("dvc", "status")
    assert checkout.run("git", "status", "--porcelain").strip() == ""
