"""The command line as the stages call it: one line on failure, no traceback."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import typer.main
from typer.testing import CliRunner

from sonotrace import cli
from sonotrace.errors import SonotraceError

ROOT = Path(__file__).parents[1]


def _run(folder, *arguments, **variables):
    environment = {name: value for name, value in os.environ.items() if name != "SONOTRACE_DEBUG"}
    return subprocess.run(
        [sys.executable, "-m", "sonotrace", *arguments],
        cwd=folder,
        env={**environment, "PYTHONPATH": str(Path(cli.__file__).parents[2]), **variables},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture
def checkout(tmp_path):
    shutil.copyfile(ROOT / "params.yaml", tmp_path / "params.yaml")
    return tmp_path


def test_an_error_is_one_line_on_standard_error(checkout):
    done = _run(checkout, "split", "planes")
    assert done.returncode == 1
    assert done.stdout == ""
    assert done.stderr == "error: data/planes/validate/accepted.csv: not there; run `dvc repro` to make it\n"


def test_the_traceback_is_shown_on_request(checkout):
    done = _run(checkout, "split", "planes", SONOTRACE_DEBUG="1")
    assert done.returncode == 1
    assert "Traceback (most recent call last)" in done.stderr
    assert done.stderr.rstrip().splitlines()[-1].startswith("sonotrace.errors.SonotraceError: data/planes/validate")


def test_a_wrong_parameter_stops_before_any_work(checkout):
    path = checkout / "params.yaml"
    path.write_text(path.read_text().replace("aspect: stretch", "aspect: squeeze", 1))
    done = _run(checkout, "prepare", "planes")
    assert done.returncode == 1
    assert done.stderr.startswith("error: params.yaml: prepare.planes.aspect is 'squeeze': ")
    assert len(done.stderr.splitlines()) == 1
    assert not (checkout / "data").exists()


def test_an_unknown_data_set_is_named_with_those_that_there_are(checkout):
    done = _run(checkout, "split", "hearts")
    assert done.returncode == 1
    assert done.stderr == "error: hearts: no such data set here; params.yaml has planes, structures\n"


def _failing(error, monkeypatch, capsys):
    def fail():
        raise error

    monkeypatch.delenv("SONOTRACE_DEBUG", raising=False)
    monkeypatch.setattr(cli, "app", fail)
    monkeypatch.setattr(cli.environment, "isolate", lambda **_: None)
    with pytest.raises(SystemExit) as caught:
        cli.main()
    assert caught.value.code == 1
    said = capsys.readouterr()
    assert said.out == ""
    return said.err


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (SonotraceError("x.csv: gone; make it"), "error: x.csv: gone; make it\n"),
        (
            PermissionError(13, "Permission denied", "data/x"),
            "error: data/x: Permission denied; check the path, its permissions and the disk\n",
        ),
        (ValueError("first\nsecond"), "error: unexpected ValueError: first (SONOTRACE_DEBUG=1 shows where)\n"),
        (KeyError(), "error: unexpected KeyError:  (SONOTRACE_DEBUG=1 shows where)\n"),
    ],
)
def test_each_kind_of_error_has_its_line(error, line, monkeypatch, capsys):
    assert _failing(error, monkeypatch, capsys) == line


def test_a_name_that_is_not_utf8_is_printed(checkout):
    code = "from sonotrace import cli; cli.app = lambda: print('M\\udcfcller.png'); cli.main()"
    environment = os.environ | {"PYTHONPATH": str(Path(cli.__file__).parents[2]), "PYTHONIOENCODING": "utf-8"}
    done = subprocess.run([sys.executable, "-c", code], cwd=checkout, env=environment, capture_output=True, check=True)
    assert done.stdout == b"M\\udcfcller.png\n"


def test_every_stage_has_a_command():
    commands = {command.name or command.callback.__name__ for command in cli.app.registered_commands}
    modules = {path.stem for path in Path(cli.__file__).parents[1].glob("stages/*.py")} - {"__init__"}
    assert commands == modules | {
        "audit-labels",
        "compare",
        "metrics",
        "patient-key",
        "pin",
        "lineage",
        "predict",
        "review",
        "runs",
        "serve",
        "sign",
        "sources",
        "use",
        "verify",
        "withdraw",
    }


@pytest.mark.parametrize("stage", ["pull", "validate", "split", "prepare", "augment"])
def test_a_command_runs_the_stage_of_its_name(stage, monkeypatch, checkout):
    monkeypatch.chdir(checkout)
    called = []
    monkeypatch.setattr(cli.stages, "run", lambda *arguments: called.append(arguments))
    assert CliRunner().invoke(cli.app, [stage, "structures"]).exit_code == 0
    assert called == [(stage, "structures")]


def test_evaluation_of_a_model_that_the_lock_does_not_know_is_refused_unless_allowed(monkeypatch, checkout, tmp_path):
    monkeypatch.chdir(checkout)
    (tmp_path / "models").mkdir()
    (tmp_path / "models/planes.keras").write_bytes(b"from somewhere")
    called = []
    monkeypatch.setattr(cli.stages, "run", lambda *arguments: called.append(arguments))
    refused = CliRunner().invoke(cli.app, ["evaluate", "planes"])
    assert refused.exit_code == 1
    assert str(refused.exception).startswith("models/planes.keras: not the model that dvc.lock names")
    assert called == []
    allowed = CliRunner().invoke(cli.app, ["evaluate", "planes", "--allow-unknown"])
    assert "warning: models/planes.keras: no dvc.lock names this model (--allow-unknown)" in allowed.output
    assert called == [("evaluate", "planes", b"from somewhere")]


def test_a_stage_leaves_a_record_of_its_run(checkout):
    for name, text in (
        ("data/planes/validate/accepted.csv", "image,patient,label,official_split,width,height\na,1,brain,,4,4\n"),
        ("data/planes/validate/boxes.csv", "image,structure\n"),
        ("reports/planes/snapshot.json", '{"source": "phantom"}'),
    ):
        (checkout / name).parent.mkdir(parents=True, exist_ok=True)
        (checkout / name).write_text(text)
    assert _run(checkout, "split", "planes").returncode == 0
    assert "split@planes" in _run(checkout, "runs").stdout
    (record,) = json.loads(_run(checkout, "runs", "--json").stdout)
    assert list(record["made"]) == ["data/planes/split/split.csv"]


@pytest.mark.parametrize("stage", ["train_cnn", "train_yolo"])
def test_a_training_command_runs_its_stage(stage, monkeypatch):
    called = []
    monkeypatch.setattr(cli.stages, "run", lambda *arguments: called.append(arguments))
    assert CliRunner().invoke(cli.app, [stage, "planes"]).exit_code == 0
    assert called == [(stage, "planes")]


def test_help_waits_for_no_heavy_library():
    code = "import sys, sonotrace.cli; print(*sys.modules)"
    environment = os.environ | {"PYTHONPATH": str(Path(cli.__file__).parents[2])}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    heavy = {"tensorflow", "keras", "torch", "ultralytics", "pandas", "sklearn", "cv2"}
    heavy |= {"rocrate", "mlcroissant", "cyclonedx", "model_signing", "cryptography"}
    assert not heavy & set(done.stdout.split())


def test_every_form_has_a_command():
    assert [group.name for group in cli.app.registered_groups] == ["export"]
    commands = {command.callback.__name__ for command in cli.export.app.registered_commands}
    forms = {path.stem for path in Path(cli.__file__).parents[1].glob("export/*.py")}
    assert commands == forms - {"__init__", "kinds", "record", "requirements", "signature", "signed"}


@pytest.mark.parametrize("options", [["--signature"], ["--key", "public.pem"]])
def test_a_signature_is_verified_with_a_key_and_a_key_verifies_signatures(checkout, options):
    done = _run(checkout, "verify", *options)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == "error: verify: --signature and --key PUBLIC.pem go together; give both or neither\n"


def test_help_says_what_every_argument_and_option_is():
    groups = [typer.main.get_command(cli.app)]
    commands = [command for group in groups for command in group.commands.values()]
    commands += [command for group in commands if hasattr(group, "commands") for command in group.commands.values()]
    without = [
        f"{command.name} {parameter.name}"
        for command in commands
        for parameter in command.params
        if parameter.name != "help" and not getattr(parameter, "help", None)
    ]
    assert without == []
