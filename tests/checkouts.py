"""Clones of this checkout, with phantom images small enough to train in seconds, and commands run in them."""

import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

TOP = Path(__file__).parents[1]
OFFLINE = ["unshare", "--map-root-user", "--net"]
"""Runs a command with no network at all, where the machine allows it."""
if shutil.which("unshare") is None or subprocess.run([*OFFLINE, "true"], capture_output=True, check=False).returncode:
    OFFLINE = []
SMALL = {
    "pull.planes.phantom.images": 48,
    "pull.structures.phantom.images": 24,
    "prepare.planes.width": 64,
    "prepare.planes.height": 64,
    "prepare.structures.width": 96,
    "prepare.structures.height": 64,
    "augment.planes.copies": 1,
    "augment.structures.copies": 1,
    "train_cnn.planes.architecture": "published",  # compiles fastest
    "train_cnn.planes.batch": 8,
    "train_cnn.planes.epochs": 1,
    "train_yolo.structures.batch": 12,  # three steps an epoch
    "train_yolo.structures.epochs": 1,
    "train_yolo.structures.imgsz": 96,
    "evaluate.planes.bootstrap": 100,
    "evaluate.structures.bootstrap": 100,
}


@dataclass(frozen=True)
class Checkout:
    """A git clone with a home folder of its own."""

    path: Path
    home: Path

    def run(self, *command: str, fails: bool = False, online: bool = False) -> str:
        """Run a command in the clone, with the network cut unless it is to be `online`; return all it printed."""
        done = subprocess.run(
            command if online else [*OFFLINE, *command],
            cwd=self.path,
            env=self.environment(),
            capture_output=True,
            text=True,
            check=False,
        )
        printed = done.stdout + done.stderr
        assert (done.returncode != 0) == fails, printed
        return printed

    def environment(self) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "DVC", "GIT"))}
        tools = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
        author = {
            f"GIT_{who}_{what}": "test@sonotrace" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")
        }
        return kept | author | {"PATH": tools, "HOME": str(self.home)}

    def set_params(self, values: dict[str, object]) -> None:
        """Change values in params.yaml, in place."""
        text = (self.path / "params.yaml").read_text()
        for key, value in values.items():
            text = replaced(text, key.split("."), value)
        (self.path / "params.yaml").write_text(text)

    def copy(self, into: Path) -> "Checkout":
        """Copy the clone, with its data and DVC's cache, into an empty folder; the copy has a home of its own."""
        made = Checkout(into / "clone", into / "home")
        made.home.mkdir()
        shutil.copytree(self.path, made.path, symlinks=True)
        return made

    def commit(self, message: str) -> None:
        self.run("git", "add", "--all")
        self.run("git", "commit", "--quiet", "--message", message)


def replaced(text: str, keys: list[str], value: object) -> str:
    """Replace the value at a path of keys in block-style YAML."""
    start = 0
    for depth, key in enumerate(keys):
        found = re.compile(rf"^{'  ' * depth}{key}:", re.MULTILINE).search(text, start)
        assert found, keys
        start = found.end()
    return text[:start] + re.sub(r"^ [^ #\n]+", f" {value}", text[start:], count=1)


def clone(into: Path) -> Checkout:
    """Copy what git tracks, or would track, into a new repository with small parameters."""
    checkout = Checkout(into / "clone", into / "home")
    checkout.home.mkdir(parents=True)
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"],
        cwd=TOP,
        capture_output=True,
        text=True,
        check=True,
    )
    results = ("dvc.lock", "metrics/", "plots/", "reports/")
    for name in filter(None, listed.stdout.split("\0")):
        if (TOP / name).exists() and not name.startswith(results):
            (checkout.path / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(TOP / name, checkout.path / name, follow_symlinks=False)
    checkout.run("git", "init", "--quiet")
    checkout.set_params(SMALL)
    checkout.commit("Small")
    return checkout


def stages_run(printed: str) -> list[str]:
    """Return the stages whose commands DVC says it ran."""
    return re.findall(r"Running stage '([^']+)'", printed)
