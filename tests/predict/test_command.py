"""What predict prints, copies and draws; which models it uses; what it says before anything heavy is imported."""

import csv
import io
import json
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
import tiny_models
from typer.testing import CliRunner

from sonotrace.cli import app
from sonotrace.errors import SonotraceError
from sonotrace.images.grey import read_grey, write_png
from sonotrace.kinds.planes import PLANES
from sonotrace.predict.command import choose
from sonotrace.predict.prediction import none_of

HEAVY = ("numpy", "cv2", "onnxruntime", "pandas", "pydantic")


@pytest.fixture
def place(tmp_path, monkeypatch):
    """Stand in a folder with models and four images: brain, femur or brain, none of the planes, and no image."""
    tiny_models.write(tmp_path / "models")
    (tmp_path / "images").mkdir()
    levels = {"brain": tiny_models.LEVELS["brain"], "either": tiny_models.UNCERTAIN, "far": tiny_models.FAR}
    for name, level in levels.items():
        write_png(np.full((32, 64), level, np.uint8), tmp_path / f"images/{name}.png")
    (tmp_path / "images/broken.png").write_bytes(b"no image")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def _run(*arguments, fails=False, **given):
    done = CliRunner().invoke(app, ["predict", *arguments, "--allow-unknown"], **given)
    if done.exception and not isinstance(done.exception, SystemExit):
        raise done.exception
    assert (done.exit_code == 1) == fails, done.output
    return done


@pytest.mark.usefixtures("place")
def test_in_words():
    done = _run("images", fails=True)
    shown = [line for line in done.stdout.splitlines() if not line.startswith("warning")]
    assert shown[0] == "images/brain.png: brain 1.000"
    assert shown[1] == "  CSP 0.900 at [16, 8, 48, 24] px"
    assert shown[2].startswith("images/broken.png: ")
    assert shown[3].startswith("images/either.png: brain 0.731 (uncertain)")
    assert shown[-1].startswith("images/far.png: none of the four planes (nearest: thorax 1.000)")
    said = done.stderr.splitlines()
    assert said[-2] == "predict: 3 images: 2 brain, 1 none of the four planes"
    assert said[-1] == "error: 1 file could not be read"


@pytest.mark.usefixtures("place")
def test_as_json_in_the_order_of_the_files_with_any_number_of_threads():
    lines = [_run("images", "--json", "--threads", number, fails=True).stdout for number in ("1", "3")]
    assert lines[0] == lines[1]
    brain, broken, either, far = map(json.loads, lines[0].splitlines())
    assert (brain["plane"], brain["reason"], brain["uncertain"], either["uncertain"]) == ("brain", None, False, True)
    assert brain["structures"] == [{"structure": "CSP", "confidence": 0.9, "box": [16.0, 8.0, 48.0, 24.0]}]
    assert brain["boxes_dropped"] == 1
    assert (far["plane"], far["reason"], far["scope"]) == (None, "none of the four planes", 30.0)
    assert (far["structures"], far["structures_searched"]) == ([], False)
    assert broken["error"].startswith("images/broken.png: ")
    assert brain["unknown_models"] == ["models/planes.onnx", "models/structures.onnx"]


@pytest.mark.usefixtures("place")
def test_as_csv_a_row_for_each_structure_or_image():
    printed = _run("images", "--csv", "--all-boxes", fails=True).stdout
    rows = list(csv.DictReader(io.StringIO(printed)))
    assert [Path(row["file"]).stem for row in rows] == ["brain", "brain", "broken", "either", "either", "far"]
    assert (rows[0]["plane"], rows[0]["probability"], rows[0]["brain"], rows[0]["x1"]) == (
        "brain",
        "1.0",
        "1.0",
        "48.0",
    )
    assert (rows[1]["structure"], rows[1]["confidence"]) == ("CSP", "0.5")
    assert rows[2]["error"]
    assert (rows[5]["plane"], rows[5]["reason"], rows[5]["structure"]) == ("", "none of the four planes", "")


@pytest.mark.usefixtures("place")
def test_structures_are_looked_for_in_all_planes_if_asked_and_from_the_confidence_given():
    line = _run("images/far.png", "--json", "--in-all-planes", "--all-boxes", "--confidence", "0.1").stdout
    assert [one["confidence"] for one in json.loads(line)["structures"]] == [0.9, 0.5, 0.2]


@pytest.mark.usefixtures("place")
def test_images_come_from_zips_and_from_a_list_on_standard_input():
    with zipfile.ZipFile("all.zip", "w") as archive:
        for name in ("brain", "far"):
            archive.write(f"images/{name}.png", f"in/{name}.png")
    listed = _run("-", "--json", "--sort-into", "sorted", input="images/either.png\nall.zip\n").stdout
    assert [json.loads(line)["file"] for line in listed.splitlines()] == [
        "images/either.png",
        "all.zip/in/brain.png",
        "all.zip/in/far.png",
    ]
    assert Path("sorted/brain/brain.png").read_bytes() == Path("images/brain.png").read_bytes()


@pytest.mark.usefixtures("place")
def test_copies_and_drawings():
    _run("images", "--sort-into", "sorted", "--draw", "drawn", fails=True)
    copies = sorted(path.relative_to("sorted").as_posix() for path in Path("sorted").glob("*/*"))
    assert copies == ["brain/brain.png", "none/far.png", "uncertain/either.png"]
    assert sorted(path.name for path in Path("drawn").iterdir()) == ["brain.png", "either.png", "far.png"]
    drawn = read_grey(Path("drawn/brain.png"))
    assert drawn[24, 30] != tiny_models.LEVELS["brain"], "no box"
    assert drawn[16, 32] == tiny_models.LEVELS["brain"]


@pytest.mark.parametrize(("left", "other"), [("planes", "structures"), ("structures", "planes")])
def test_one_model_is_enough(place, left, other):
    (place / f"models/{other}.onnx").unlink()
    done = _run("images/far.png", "--json")
    found = json.loads(done.stdout)
    assert f"note: no {other}.onnx, so only {left} are predicted" in done.stderr
    assert bool(found["probabilities"]) == (left == "planes")
    assert bool(found["structures"]) == (left == "structures")


def test_models_that_are_missing_or_of_another_form_are_said(tmp_path):
    with pytest.raises(SonotraceError, match=r"planes\.onnx: no such model, .*`dvc repro` makes both"):
        choose(tmp_path, None, None)
    (tmp_path / "planes.keras").write_bytes(b"")
    with pytest.raises(SonotraceError, match=r"planes\.onnx: no such model, .*`dvc repro export_onnx` makes it"):
        choose(tmp_path, None, None)
    with pytest.raises(SonotraceError, match=r"planes\.keras: no ONNX file"):
        choose(tmp_path, tmp_path / "planes.keras", None)
    with pytest.raises(SonotraceError, match=r"other\.onnx: no such model"):
        choose(tmp_path, None, tmp_path / "other.onnx")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["nowhere.png", "--allow-unknown"], "error: nowhere.png: no such file"),
        (["images", "--models", "elsewhere"], "error: elsewhere/planes.onnx: no such model"),
        (["images", "--frames", "last"], "error: --frames last: not middle"),
    ],
)
@pytest.mark.usefixtures("place")
def test_what_is_wrong_is_said_before_anything_heavy_is_imported(arguments, said):
    code = (
        "import sys\nfrom sonotrace.cli import main\n"
        f"sys.argv = ['sonotrace', 'predict', *{arguments}]\n"
        "try:\n    main()\nexcept SystemExit as end:\n    assert end.code == 1\n"
        f"print([name for name in {HEAVY} if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert said in done.stderr
    assert done.stdout == "[]\n"


@pytest.mark.usefixtures("place")
def test_a_prediction_imports_neither_frameworks_nor_tables():
    code = (
        "import sys\nfrom sonotrace.cli import main\n"
        "sys.argv = ['sonotrace', 'predict', 'images/brain.png', '--json', '--allow-unknown']\n"
        "try:\n    main()\nexcept SystemExit as end:\n    assert not end.code\n"
        "heavy = ('tensorflow', 'torch', 'keras', 'pandas', 'dvc', 'onnx', 'sklearn', 'pydantic')\n"
        "print([name for name in heavy if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert json.loads(done.stdout.splitlines()[0])["plane"] == "brain"
    assert done.stdout.splitlines()[1] == "[]"


def test_the_number_of_planes_is_the_models():
    assert none_of(PLANES) == "none of the four planes"
    assert none_of([*PLANES, "cervix", "other"]) == "none of the six planes"
    assert none_of(["a"] * 12) == "none of the 12 planes"


@pytest.mark.usefixtures("place")
def test_a_zip_that_cannot_be_opened_does_not_keep_the_rest_from_being_answered():
    Path("bad.zip").write_bytes(b"no zip")
    done = _run("bad.zip", "images/brain.png", fails=True)
    assert "bad.zip: cannot be opened as zip" in done.stdout
    assert "images/brain.png: brain 1.000" in done.stdout
