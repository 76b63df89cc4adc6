"""A checkout of git and DVC with the shipped parameters, in which nothing has run, and images to offer it."""

import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

PLANES = ("abdomen", "brain", "femur", "thorax")


def git(*arguments):
    author = ["-c", "user.name=a", "-c", "user.email=a@b"]
    return subprocess.run(["git", *author, *arguments], check=True, capture_output=True, text=True).stdout


def write_image(path, seed):
    path.parent.mkdir(parents=True, exist_ok=True)
    image = np.random.default_rng(seed).integers(0, 255, (40, 60), dtype=np.uint8)
    assert cv2.imwrite(str(path), image)


@pytest.fixture
def checkout(work):
    """Stand in a new checkout."""
    (work / "data/patient-key.json").write_text("{}\n")
    (work / ".gitignore").write_text("/.sonotrace/\n/data/planes/\n/data/structures/\n")
    git("init", "--quiet")
    subprocess.run([sys.executable, "-m", "dvc", "init", "--quiet"], check=True)
    git("add", "--all")
    git("commit", "--quiet", "--message", "New")
    return work


@pytest.fixture
def offered(tmp_path_factory):
    """Return a folder of 24 labelled planes of 12 patients, outside the checkout."""
    folder = tmp_path_factory.mktemp("offered") / "mine"
    rows = ["Image_name,Plane"]
    for number in range(24):
        name = f"Patient{number // 2:05}_Plane_{number}"
        write_image(folder / f"images/{name}.png", number)
        rows.append(f"{name},Fetal {PLANES[number % 4]}")
    (folder / "image_label.csv").write_text("\n".join(rows) + "\n")
    return folder


def state(folder: Path):
    """Return all files of a checkout with their bytes, without what tools keep."""
    kept = {".git", ".dvc", ".sonotrace"}
    return {
        file.relative_to(folder).as_posix(): file.read_bytes()
        for file in folder.rglob("*")
        if file.is_file() and not kept & set(file.relative_to(folder).parts)
    }
