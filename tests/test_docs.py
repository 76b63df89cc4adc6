"""The documentation site builds without a warning."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

TOP = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    into = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "sphinx", "--quiet", "--fail-on-warning", "--keep-going", "docs", str(into)]
    done = subprocess.run(command, cwd=TOP, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return into


def test_the_reference_is_generated_from_the_code(site):
    commands = (site / "reference/commands.html").read_text()
    assert all(
        f"sonotrace {name}" in commands for name in ("predict", "audit-labels", "export mlbom", "train_cnn_fold")
    )
    assert "Least confidence of a structure, if not the model" in commands
    parameters = (site / "reference/parameters.html").read_text()
    assert all(key in parameters for key in ("patient_pattern", "weights_sha256", "incoming.dicom", "folds"))


def test_no_page_loads_anything_from_elsewhere(site):
    for page in site.rglob("*.html"):
        loaded = re.findall(r"<(?:script|img|link|iframe)[^>]*(?:src|href)=\"([^\"]+)\"", page.read_text())
        assert [address for address in loaded if "//" in address] == [], page.name
