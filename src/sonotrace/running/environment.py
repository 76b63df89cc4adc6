"""Keep the libraries to the checkout: no telemetry, no network, no files in the user's home.

TensorFlow, Keras, Ultralytics and others read these variables when they are imported, so `isolate`
comes first in every process.
"""

import atexit
import os
import shutil
import tempfile
from pathlib import Path
from typing import Any

from sonotrace.errors import SonotraceError
from sonotrace.places import STATE
from sonotrace.running.parallel import available_cores
from sonotrace.running.start import prepare

_THREADS = "SONOTRACE_THREADS"


def isolate() -> None:
    """Set the variables that keep third-party libraries quiet, offline and inside the checkout.

    Outside a checkout a temporary folder takes the place of `STATE`.
    """
    if Path("params.yaml").exists() and Path(".dvc").is_dir():
        state = prepare(Path.cwd())
    elif Path("params.yaml").exists():
        state = STATE.resolve()
    else:
        state = Path(tempfile.mkdtemp(prefix="sonotrace-"))
        atexit.register(shutil.rmtree, state, ignore_errors=True)
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


def threads() -> int:
    """Return the number of threads that `use_threads` fixed, else the number of cores."""
    return int(os.environ.get(_THREADS, available_cores()))


def use_threads(count: int) -> None:
    """Fix the number of CPU threads of libraries that are imported after this.

    Sums of floats depend on it, and so do a model's bytes.
    """
    os.environ[_THREADS] = str(count)
    os.environ["OMP_NUM_THREADS"] = os.environ["MKL_NUM_THREADS"] = str(count)
    os.environ["TF_NUM_INTRAOP_THREADS"] = str(count)
    os.environ["TF_NUM_INTEROP_THREADS"] = str(count)


def use_device(device: str) -> None:
    """Hide the GPUs where the parameters say `cpu`; call it before a framework is imported."""
    if device == "cpu":
        os.environ["CUDA_VISIBLE_DEVICES"] = ""


def quiet_ultralytics() -> Any:
    """Import Ultralytics without its reports and integrations; return its `YOLO`.

    Whenever it chooses a device it sets its own number of threads, one fewer than cores.
    """
    from ultralytics import YOLO, settings  # type: ignore[attr-defined]
    from ultralytics.utils import torch_utils

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
