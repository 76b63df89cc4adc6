"""The wheel alone, in an empty environment, predicts, and is small."""

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tiny_models
from dicom_files import dicom

from sonotrace.images.grey import write_png

TOP = Path(__file__).parents[2]
MOST = 450 * 2**20
"""Bytes that the installation may take, bytecode included."""


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return an environment that holds the wheel and what it asks for."""
    place = tmp_path_factory.mktemp("small")
    _uv("build", "--quiet", "--wheel", "--no-build-isolation", "--out-dir", str(place), str(TOP))
    (wheel,) = place.glob("*.whl")
    environment = place / "environment"
    _uv("venv", "--quiet", "--python", sys.executable, str(environment))
    install = ["pip", "install", "--quiet", "--compile-bytecode", "--python", str(environment / "bin/python")]
    done = _uv(*install, str(wheel), may_fail=True)
    if done.returncode:
        pytest.skip(f"the packages cannot be fetched here: {done.stderr.strip().splitlines()[-1]}")
    return environment


def _uv(*arguments: str, may_fail: bool = False) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(["uv", *arguments], capture_output=True, text=True, check=False)
    assert may_fail or not done.returncode, done.stderr
    return done


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """Lay out models with their hash file, and images of two forms."""
    tiny_models.write(tmp_path / "models")
    hashes = [f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.name}\n" for path in tmp_path.glob("models/*")]
    (tmp_path / "onnx.sha256").write_text("".join(hashes))
    (tmp_path / "images").mkdir()
    level = tiny_models.LEVELS["brain"]
    write_png(np.full((32, 64), level, np.uint8), tmp_path / "images/a.png")
    (tmp_path / "images/b.dcm").write_bytes(dicom(np.full((2, 32, 64), level, np.uint8)))
    return tmp_path


def _run(installed: Path, place: Path, *command: str) -> subprocess.CompletedProcess[str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "VIRTUAL_ENV"))}
    program = str(installed / "bin" / command[0])
    return subprocess.run([program, *command[1:]], cwd=place, env=kept, capture_output=True, text=True, check=False)


def test_it_predicts_by_the_hash_file_that_the_user_names(installed: Path, place: Path) -> None:
    command = ("sonotrace", "predict", "images", "--models", "models", "--frames", "all", "--json")
    done = _run(installed, place, *command, "--hashes", "onnx.sha256")
    assert done.returncode == 0, done.stderr
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert [(line["file"], line["frame"], line["plane"]) for line in lines] == [
        ("images/a.png", None, "brain"),
        ("images/b.dcm", 1, "brain"),
        ("images/b.dcm", 2, "brain"),
    ]
    assert all(line["structures"][0]["box"] == [16.0, 8.0, 48.0, 24.0] for line in lines)
    refused = _run(installed, place, *command)
    assert (refused.returncode, refused.stdout) == (1, "")
    assert refused.stderr.startswith("error: models/planes.onnx: nobody vouches for it; ")


def test_it_predicts_from_python(installed: Path, place: Path) -> None:
    code = "import sonotrace\nprint(sonotrace.load('models', hashes=['onnx.sha256']).predict('images/a.png').plane)"
    done = _run(installed, place, "python", "-c", code)
    assert (done.stdout, done.stderr) == ("brain\n", "")


def test_a_command_that_needs_more_says_what_to_install(installed: Path, place: Path) -> None:
    done = _run(installed, place, "sonotrace", "lineage", "models/planes.onnx")
    assert done.returncode == 1
    assert done.stderr == (
        "error: pandas: not installed; what only predicts goes without it: pip install 'sonotrace[all]'\n"
    )


def test_it_is_small(installed: Path) -> None:
    size = sum(path.lstat().st_size for path in installed.rglob("*") if not path.is_symlink())
    print(f"{size / 2**20:.0f} MB")
    assert size <= MOST
