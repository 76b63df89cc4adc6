"""Keep the libraries to the checkout: no telemetry, no network, no files in the user's home.

TensorFlow, Keras, Ultralytics and others read these variables when they are imported, so `isolate`
comes first: in every process of the command line, and before each of our imports of these libraries,
for those who use the classes from Python.
"""

import atexit
import os
import shutil
import sys
import tempfile
from functools import cache
from pathlib import Path
from typing import Any

from sonotrace.errors import SonotraceError
from sonotrace.places import STATE
from sonotrace.running.parallel import available_cores
from sonotrace.running.start import prepare

_THREADS = "SONOTRACE_THREADS"
SPINS = "10000"
"""How often an idle thread of PyTorch looks for work before it sleeps: with 0 a training alone takes a third longer."""


def isolate(*, mends: bool = False) -> None:
    """Set the variables that keep third-party libraries quiet, offline and inside the checkout.

    Outside a checkout a temporary folder takes the place of `STATE`. With `mends`, what a killed run left half
    written is mended (`recovery`). Raises SonotraceError where the
    checkout's state belongs to another user.
    """
    state = _state(mends)
    for name in ("keras", "matplotlib", "ultralytics", "torch"):
        (state / name).mkdir(parents=True, exist_ok=True)
    os.environ.setdefault("KERAS_BACKEND", "tensorflow")
    os.environ |= {
        "DVC_NO_ANALYTICS": "1",
        "DVC_STUDIO_OFFLINE": "true",
        "OPENCV_LOG_LEVEL": "SILENT",  # damaged images are reported by us, with their names
        "KERAS_HOME": str(state / "keras"),
        "MPLCONFIGDIR": str(state / "matplotlib"),
        "TF_CPP_MIN_LOG_LEVEL": "3",
        "TORCH_HOME": str(state / "torch"),
        "YOLO_AUTOINSTALL": "false",
        "YOLO_CONFIG_DIR": str(state / "ultralytics"),
        "YOLO_OFFLINE": "true",
        "YOLO_VERBOSE": "false",
    }


@cache
def _state(mends: bool) -> Path:
    if Path("params.yaml").exists():
        return prepare(Path.cwd(), mends) if Path(".dvc").is_dir() else STATE.resolve()
    return _temporary()


@cache
def _temporary() -> Path:
    state = Path(tempfile.mkdtemp(prefix="sonotrace-"))
    atexit.register(shutil.rmtree, state, ignore_errors=True)
    return state


def use_keras() -> None:
    """Choose Keras' backend before Keras is imported: TensorFlow, or PyTorch where that is loaded already.

    Raises SonotraceError where TensorFlow and PyTorch would be in one process: a segmentation fault.
    """
    if "torch" in sys.modules:
        os.environ.setdefault("KERAS_BACKEND", "torch")
    isolate()
    if "tensorflow" in sys.modules or ("keras" not in sys.modules and os.environ["KERAS_BACKEND"] == "tensorflow"):
        _refuse_beside("torch")


def use_torch() -> None:
    """Make sure that PyTorch may be loaded, and that Keras, if it is imported later, uses it too.

    Raises SonotraceError where TensorFlow is in this process.
    """
    os.environ.setdefault("KERAS_BACKEND", "torch")
    isolate()
    _refuse_beside("tensorflow")


def _refuse_beside(other: str) -> None:
    if other in sys.modules:
        raise SonotraceError(
            "KERAS_BACKEND: TensorFlow and PyTorch in one process crash it; to use the classifier and the detector "
            "together, set os.environ['KERAS_BACKEND'] = 'torch' before anything imports keras"
        )


def threads() -> int:
    """Return the number of threads that `use_threads` fixed, else the number of cores."""
    return int(os.environ.get(_THREADS, available_cores()))


def use_threads(count: int) -> None:
    """Fix the number of CPU threads of libraries that are imported after this.

    Sums of floats depend on it, and so do a model's bytes. Threads with nothing to do soon sleep: left to spin, those
    of two trainings on the same cores take most of each other's time (benchmarks/shared_machine.py).
    """
    os.environ |= {"OMP_WAIT_POLICY": "PASSIVE", "GOMP_SPINCOUNT": SPINS, "KMP_BLOCKTIME": "0"}
    os.environ[_THREADS] = str(count)
    os.environ["OMP_NUM_THREADS"] = os.environ["MKL_NUM_THREADS"] = str(count)
    os.environ["TF_NUM_INTRAOP_THREADS"] = str(count)
    os.environ["TF_NUM_INTEROP_THREADS"] = str(count)


def use_deterministic_operations() -> None:
    """Have cuBLAS and XLA compute the same bytes again on a GPU; call it before a framework is imported.

    TensorFlow and PyTorch are also told so themselves, where a training is set up.
    """
    os.environ["CUBLAS_WORKSPACE_CONFIG"] = ":4096:8"
    flag = "--xla_gpu_deterministic_ops=true"
    flags = os.environ.get("XLA_FLAGS", "").split()
    os.environ["XLA_FLAGS"] = " ".join(flags if flag in flags else [*flags, flag])


def let_tensorflow_sleep() -> None:
    """Have TensorFlow's threads sleep while they wait for work; call it before TensorFlow computes anything.

    Eigen's threads spin otherwise. TensorFlow has a setting for it, but neither a variable nor a public
    function that sets it in eager mode.
    """
    from tensorflow.compat.v1 import ConfigProto
    from tensorflow.python.eager import context

    config = ConfigProto()
    config.experimental.disable_thread_spinning = True
    context.context()._config = config  # noqa: SLF001


def use_device(device: str) -> None:
    """Hide the GPUs where the parameters say `cpu`, and share their memory; call it before a framework is imported.

    JAX takes three quarters of a card's memory at once otherwise; TensorFlow is told so where a training is set up.
    """
    os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")
    if device == "cpu":
        os.environ["CUDA_VISIBLE_DEVICES"] = ""


def quiet_ultralytics() -> Any:
    """Import Ultralytics without its reports and integrations; return its `YOLO`.

    Whenever it chooses a device it sets its own number of threads, one fewer than cores. Before it trains it
    asks a public host for a font that it would draw labels with, and on a GPU for weights to try mixed
    precision with, offline or not. Raises SonotraceError where TensorFlow is loaded.
    """
    use_torch()
    from ultralytics import YOLO, settings  # type: ignore[attr-defined]
    from ultralytics.data import utils as data_utils
    from ultralytics.engine import trainer
    from ultralytics.utils import torch_utils

    data_utils.check_font = lambda _: None  # type: ignore[attr-defined]
    trainer.check_amp = lambda model: next(model.parameters()).device.type == "cuda"  # type: ignore[attr-defined]

    torch_utils.NUM_THREADS = threads()  # type: ignore[attr-defined]

    loggers = ("clearml", "comet", "dvc", "mlflow", "raytune", "tensorboard", "wandb")
    settings.update({"sync": False} | dict.fromkeys(loggers, False))  # type: ignore[no-untyped-call]
    return YOLO


def require_gpu(section: str, found: bool) -> None:
    """Raise SonotraceError where the parameters ask for a GPU and there is none."""
    if not found:
        raise SonotraceError(
            f"params.yaml: {section}.device is 'gpu', but no GPU is usable here; set it to auto or cpu"
        )
