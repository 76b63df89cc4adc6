"""The libraries keep to the checkout, from Python as from the command line, and to one framework per process."""

import os
import subprocess
import sys
from pathlib import Path

import keras
import pytest

from sonotrace.models.files import write_keras
from sonotrace.running import environment

SRC = Path(environment.__file__).parents[2]
USE = {
    "classifier": "from sonotrace.models.classifier import PlaneClassifier\n"
    "path = Path('planes.keras'); PlaneClassifier(path.read_bytes(), path)",
    "detector": "from sonotrace.running.environment import quiet_ultralytics; quiet_ultralytics()",
    "torch": "import torch",
    "tensorflow": "import tensorflow",
    "backend": "import os; os.environ['KERAS_BACKEND'] = 'torch'",
}
"""What a person may do from Python."""


@pytest.fixture(scope="session")
def folder(tmp_path_factory):
    """Return a folder, no checkout, with a tiny classifier."""
    made = tmp_path_factory.mktemp("library")
    model = keras.Sequential([keras.Input((32, 32, 1)), keras.layers.Flatten(), keras.layers.Dense(4)])
    preparation = {"width": 32, "height": 32, "aspect": "stretch", "mask_overlays": False}
    write_keras(model, {"planes": ["a", "b", "c", "d"], "prepare": preparation}, made / "planes.keras")
    (made / "home").mkdir()
    return made


def _python(folder, *steps):
    unset = ("KERAS", "MPLCONFIGDIR", "TORCH", "YOLO", "TF_", "PYTHON", "XDG", "SONOTRACE", "DVC")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(unset)}
    code = "from pathlib import Path\n" + "\n".join(USE[step] for step in steps) + "\nprint('alive')"
    return subprocess.run(
        [sys.executable, "-c", code],
        cwd=folder,
        env=kept | {"HOME": str(folder / "home"), "PYTHONPATH": str(SRC)},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize(
    "steps",
    [
        ("classifier",),
        ("detector",),
        ("detector", "classifier"),
        ("torch", "classifier"),
        ("backend", "classifier", "detector"),
    ],
    ids="-".join,
)
def test_the_classes_can_be_used_from_python_and_write_nothing_into_the_home(folder, steps):
    done = _python(folder, *steps)
    assert done.stdout.endswith("alive\n"), done.stderr
    assert list((folder / "home").rglob("*")) == []


@pytest.mark.parametrize("steps", [("classifier", "detector"), ("tensorflow", "detector")], ids="-".join)
def test_tensorflow_and_pytorch_in_one_process_are_refused_before_they_crash(folder, steps):
    done = _python(folder, *steps)
    assert done.returncode == 1
    assert done.stderr.rstrip().splitlines()[-1] == (
        "sonotrace.errors.SonotraceError: KERAS_BACKEND: TensorFlow and PyTorch in one process crash it; to use the "
        "classifier and the detector together, set os.environ['KERAS_BACKEND'] = 'torch' before anything imports keras"
    )


def test_tensorflow_computes_with_threads_that_sleep(tmp_path):
    code = """
from sonotrace.running import environment
environment.isolate()
import keras
environment.let_tensorflow_sleep()
print(keras.ops.convert_to_numpy(keras.ops.ones(3)).sum())
from tensorflow.python.eager import context
print(context.context()._context_handle is not None, context.context().config.experimental.disable_thread_spinning)
"""
    environ = os.environ | {"PYTHONPATH": str(SRC), "KERAS_BACKEND": "tensorflow"}
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, env=environ, capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == ["3.0", "True", "True"]


def test_threads_with_nothing_to_do_soon_sleep(monkeypatch):
    for name in ("SONOTRACE_THREADS", "OMP_NUM_THREADS", "OMP_WAIT_POLICY", "GOMP_SPINCOUNT", "KMP_BLOCKTIME"):
        monkeypatch.setenv(name, "")
    for name in ("MKL_NUM_THREADS", "TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS"):
        monkeypatch.setenv(name, "")
    environment.use_threads(3)
    assert (os.environ["OMP_NUM_THREADS"], os.environ["OMP_WAIT_POLICY"]) == ("3", "PASSIVE")
    assert int(os.environ["GOMP_SPINCOUNT"]) < 100_000  # GNU OpenMP spins 300,000 times by itself
    assert environment.threads() == 3


def test_xla_is_told_once_to_be_deterministic_and_keeps_what_it_was_told(monkeypatch):
    monkeypatch.setenv("XLA_FLAGS", "--xla_dump_to=/nowhere")
    monkeypatch.delenv("CUBLAS_WORKSPACE_CONFIG", raising=False)
    for _ in range(2):
        environment.use_deterministic_operations()
    assert os.environ["XLA_FLAGS"].split() == ["--xla_dump_to=/nowhere", "--xla_gpu_deterministic_ops=true"]
    assert os.environ["CUBLAS_WORKSPACE_CONFIG"] == ":4096:8"
    monkeypatch.delenv("CUBLAS_WORKSPACE_CONFIG")


def test_jax_shares_a_card_unless_the_user_says_otherwise(monkeypatch):
    monkeypatch.setenv("XLA_PYTHON_CLIENT_PREALLOCATE", "true")
    environment.use_device("auto")
    assert os.environ["XLA_PYTHON_CLIENT_PREALLOCATE"] == "true"
    monkeypatch.delenv("XLA_PYTHON_CLIENT_PREALLOCATE")
    environment.use_device("auto")
    assert os.environ["XLA_PYTHON_CLIENT_PREALLOCATE"] == "false"
