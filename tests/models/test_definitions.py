"""A training starts from the package's own net or from weights of a known hash, whatever lies in the checkout."""

import hashlib
import os
import subprocess
import sys
from pathlib import Path

import pytest

from sonotrace.errors import SonotraceError
from sonotrace.models import definitions
from sonotrace.models.definitions import net_definition

SRC = Path(definitions.__file__).parents[2]


def _net(weights, sha256, into):
    return net_definition("train_yolo.structures", weights, sha256, into)


def test_a_file_of_that_name_in_the_working_directory_is_not_taken(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("yolov8n.yaml", "yolov8.yaml"):
        Path(name).write_text("activation: print('planted')\n")
    path = _net("yolov8n.yaml", None, Path("work"))
    assert path == tmp_path / "work/yolov8n.yaml"
    text = path.read_text()
    assert "planted" not in text
    assert "backbone:" in text


def test_ultralytics_builds_the_smallest_net_from_it(tmp_path):
    (tmp_path / "yolov8n.yaml").write_text("planted: true\n")
    code = """
from pathlib import Path
from sonotrace.models.definitions import net_definition
from sonotrace.running.environment import isolate, quiet_ultralytics
isolate()
model = quiet_ultralytics()(net_definition("s", "yolov8n.yaml", None, Path("work/3n")), task="detect")
print(model.model.yaml["scale"], sum(each.numel() for each in model.model.parameters()))
"""
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(SRC)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.split()[-2:] == ["n", "3157200"]


def test_the_bytes_that_were_checked_are_the_ones_used(tmp_path):
    weights = tmp_path / "mine.pt"
    weights.write_bytes(b"checked")
    path = net_definition(
        "train_yolo.structures", str(weights), hashlib.sha256(b"checked").hexdigest(), tmp_path / "work"
    )
    weights.write_bytes(b"swapped afterwards")
    assert path == tmp_path / "work/mine.pt"
    assert path.read_bytes() == b"checked"


@pytest.mark.parametrize("name", ["yolov8x.yaml", "./yolov8n.yaml", "yolov8n.pt", "https://example.org/yolov8n.yaml"])
def test_other_names_without_a_hash_are_refused(tmp_path, name):
    with pytest.raises(SonotraceError, match=r"train_yolo\.structures\.weights is .* is allowed"):
        _net(name, None, tmp_path)


def test_a_missing_file_another_hash_and_a_definition_with_a_hash_are_refused(tmp_path):
    for name in ("gone.pt", "."):
        with pytest.raises(SonotraceError, match=r"cannot be read|names a \.pt file"):
            _net(str(tmp_path / name), "0" * 64, tmp_path / "work")
    (tmp_path / "mine.pt").write_bytes(b"x")
    with pytest.raises(
        SonotraceError, match=r"mine\.pt: sha256 is [0-9a-f]{64}, not train_yolo\.structures\.weights_sha"
    ):
        _net(str(tmp_path / "mine.pt"), "0" * 64, tmp_path / "work")
    (tmp_path / "net.yaml").write_bytes(b"x")
    with pytest.raises(SonotraceError, match=r"names a \.pt file"):
        net_definition(
            "train_yolo.structures", str(tmp_path / "net.yaml"), hashlib.sha256(b"x").hexdigest(), tmp_path / "work"
        )
    assert not (tmp_path / "work").exists()
