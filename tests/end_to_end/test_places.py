"""A checkout works wherever it lies, and files are taken in whatever they are called."""

import shutil
import unicodedata
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
import yaml
from checkouts import Checkout, clone, stages_run

from sonotrace.images.packs import stored_in

LAST = "augment@planes"
MEMORY = Path("/dev/shm")  # noqa: S108 - a file system of its own
TABLES = ("pull/manifest.csv", "validate/accepted.csv", "split/split.csv", "augment/copies.csv")


def _behind_a_link(checkout: Checkout, into: Path) -> Path:
    odd = checkout.path.rename(into / "Ältere Daten, Frau O'Brien & $HOME (2)")
    (into / "link to it").symlink_to(odd)
    return into / "link to it"


def _worktree_with_a_cache_elsewhere(checkout: Checkout, into: Path) -> Path:
    """Keep the cache in memory, so that nothing can be linked into it."""
    checkout.run("git", "worktree", "add", "--quiet", str(into / "tree"))
    cache = MEMORY / f"sonotrace-{into.name}-{into.parent.name}"
    cache.mkdir(mode=0o700)
    Checkout(into / "tree", checkout.home).run("dvc", "config", "--local", "cache.dir", str(cache))
    return into / "tree"


def _submodule(checkout: Checkout, into: Path) -> Path:
    outer = Checkout(into / "outer", checkout.home)
    outer.path.mkdir()
    outer.run("git", "init", "--quiet")
    allowed = ["git", "-c", "protocol.file.allow=always"]
    outer.run(*allowed, "submodule", "--quiet", "add", str(checkout.path), "fetal")
    return outer.path / "fetal"


@pytest.mark.parametrize("place", [_behind_a_link, _worktree_with_a_cache_elsewhere, _submodule])
def test_the_same_bytes_come_out_of_every_place(
    place: Callable[[Checkout, Path], Path], finished: Checkout, tmp_path: Path
) -> None:
    made = clone(tmp_path / "made")
    at = place(made, tmp_path)
    checkout = Checkout(at, made.home)
    try:
        checkout.run("dvc", "repro", LAST)
        assert stages_run(checkout.run("snakemake", "--cores", "1", "augment_planes")) == []
        assert "up to date" in checkout.run("dvc", "status", LAST)
        for table in TABLES:
            path = f"data/planes/{table}"
            assert (at / path).read_bytes() == (finished.path / path).read_bytes(), table
        locks = [yaml.safe_load((top / "dvc.lock").read_text())["stages"] for top in (at, finished.path)]
        assert locks[0][LAST]["outs"] == locks[1][LAST]["outs"]
    finally:
        for cache in MEMORY.glob(f"sonotrace-{tmp_path.name}-{tmp_path.parent.name}"):
            shutil.rmtree(cache)


NAMES = (
    *("a b", "it's", 'a "quoted" one', "äöü漢", "tab\tx", "x" * 235, "$HOME`x`;&|", "%d{}[]*?", "ends.", ",comma"),
    *("#hash", "back\\slash", "Abc", "abc", "e\u0301", "\u00e9"),
)


def test_files_are_taken_in_whatever_they_are_called(finished: Checkout, tmp_path: Path) -> None:
    checkout = finished.copy(tmp_path)
    folder = checkout.path / "data/incoming/planes"
    (folder / "images").mkdir(parents=True)
    drawn = sorted((checkout.path / "data/planes/pull/images/images").glob("*.png"))
    names = [f"Patient{number:05}_{name}" for number, name in enumerate([*NAMES, "new\nline"])]
    for name, image in zip(names, drawn, strict=False):
        shutil.copy(image, folder / "images" / f"{name}.png")
    rows = pd.DataFrame({"Image_name": names, "Plane": "Fetal brain"})
    rows.to_csv(folder / "image_label.csv", index=False)
    checkout.set_params({"pull.planes.source": "incoming", "validate.planes.max_quarantined": 0.2})
    checkout.run("dvc", "add", "data/incoming/planes")
    checkout.run("dvc", "repro", LAST)
    assert stages_run(checkout.run("snakemake", "--cores", "1", "augment_planes")) == []
    accepted = pd.read_csv(checkout.path / "data/planes/validate/accepted.csv", dtype=str)
    assert sorted(accepted["image"]) == sorted(unicodedata.normalize("NFC", name) for name in names[:-1])
    assert sorted(stored_in(checkout.path / "data/planes/prepare/images")) == sorted(accepted["image"])
    quarantined = pd.read_csv(checkout.path / "data/planes/validate/quarantine.csv", dtype=str)
    assert sorted(quarantined["reason"]) == ["image without row", "row without image"], "a name of two lines"
