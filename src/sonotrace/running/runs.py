"""What a stage's last good run took, and on what: facts that differ from run to run, so that DVC hashes none of them.

One JSON file a stage in `.sonotrace/runs`, which git and DVC ignore. It names neither the machine nor
its user, and no path outside the checkout. A run that fails leaves the record of the last good one.
"""

import json
import os
import platform
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sonotrace.errors import SonotraceError
from sonotrace.places import (
    PAGE,
    STATE,
    distilled_model,
    ensemble_model,
    fold_model,
    folder,
    gathered,
    shard_table,
)
from sonotrace.records.history import LOCK
from sonotrace.records.lock import read
from sonotrace.records.store import md5_of
from sonotrace.running import environment
from sonotrace.running.outputs import write_json
from sonotrace.running.parallel import available_cores
from sonotrace.running.progress import say

RUNS = STATE / "runs"
LIBRARIES = (
    "numpy",
    "pandas",
    "sklearn",
    "cv2",
    "pydicom",
    "tensorflow",
    "keras",
    "torch",
    "torchvision",
    "ultralytics",
)
"""Modules whose versions are noted, where a run imported them."""

PERSISTENT = "/test_patients.csv"
"""Ending of the one output that DVC does not delete before a run."""


@contextmanager
def recorded(stage: str) -> Iterator[None]:
    """Note what the block took, if it ends well, as the run of a stage.

    What cannot be noted is said, and no error: a training is worth more than its record.
    """
    began, clock, processor = datetime.now(UTC), time.perf_counter(), time.process_time()
    yield
    took = {
        "started": began.isoformat(timespec="seconds"),
        "wall_s": round(time.perf_counter() - clock, 2),
        "cpu_s": round(time.process_time() - processor, 2),
    }
    try:
        made = {path.as_posix(): md5_of(path) for path in _made(stage)}
        write_json({"stage": stage, **took, **surroundings(), "made": made}, RUNS / f"{stage}.json")
    except Exception as error:  # noqa: BLE001 - the libraries asked are others', and may fail in any way
        say(f"{stage}: note: this run is not recorded ({type(error).__name__}: {' '.join(str(error).split())})")


def restoring(stage: str) -> str:
    """Return the command that restores the outputs of a stage's last good run; empty if there was none.

    DVC deletes them before it runs the stage again. Those that it does not cache are in git.
    """
    try:
        (step,) = [one for name, one in read(Path(LOCK).read_bytes(), (stage,)).items() if name == stage]
    except (OSError, SonotraceError, ValueError):
        return ""
    elsewhere = ("data/", "models/", PAGE.as_posix())
    in_git = [link.path for link in step.outputs if not link.path.startswith(elsewhere)]
    in_git = [path for path in in_git if not path.endswith(PERSISTENT)]
    return " && ".join([f"dvc checkout {stage}", *([f"git checkout -- {' '.join(sorted(in_git))}"] if in_git else [])])


def surroundings() -> dict[str, Any]:
    """Return peak memory, CPU model, cores, threads, GPUs and libraries of this process."""
    modules = {name: sys.modules[name] for name in LIBRARIES if name in sys.modules}
    return {
        "peak_mb": _peak_mb(),
        "cpu": _cpu(),
        "cores": available_cores(),
        "threads": environment.threads(),
        "gpus": _gpus(modules),
        "python": platform.python_version(),
        "libraries": {name: str(getattr(module, "__version__", "")) for name, module in modules.items()},
        "builds": _builds(modules),
    }


def read_all() -> list[dict[str, Any]]:
    """Return the records, in the order of their runs, each with `current`: whether `dvc.lock` names what it made.

    Raises SonotraceError where a record cannot be read, or there is none.
    """
    found = [_record(path) for path in RUNS.glob("*.json")]
    if not found:
        raise SonotraceError(f"{RUNS}: no run is recorded here; `dvc repro` records each stage that it runs")
    lock = Path(LOCK)
    steps = read(lock.read_bytes()) if lock.is_file() else {}
    for record in found:
        step = steps.get(record["stage"])
        named = {link.path: link.md5 for link in step.outputs} if step else {}
        record["current"] = all(named.get(path) == md5 for path, md5 in record["made"].items())
    return sorted(found, key=lambda record: str(record["started"]))


def lines() -> Iterator[str]:
    """Yield one line a run for people, then what the runs ran on."""
    places: dict[str, list[str]] = {}
    yield f"{'stage':29}{'started (UTC)':21}{'wall s':>9}{'CPU s':>9}{'peak MB':>9}{'threads':>9}"
    for record in read_all():
        took = "".join(f"{record[key]!s:>9}" for key in ("wall_s", "cpu_s", "peak_mb", "threads"))
        other = "" if record["current"] else f"  not what {LOCK} names now"
        yield f"{record['stage']:29}{record['started'][:19]:21}{took}{other}"
        libraries = ", ".join(f"{name} {version}" for name, version in record["libraries"].items())
        gpus = ", ".join(record["gpus"]) or "no GPU"
        place = f"{record['cpu']}, {record['cores']} cores, {gpus}, Python {record['python']}, {libraries}"
        places.setdefault(place, []).append(record["stage"])
    yield from (f"{', '.join(stages)}: {place}" for place, stages in places.items())


def _record(path: Path) -> dict[str, Any]:
    try:
        content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except ValueError:
        raise SonotraceError(f"{path}: not a record of a run; delete it") from None
    return content


def _made(stage: str) -> list[Path]:
    """Return the files by which a run can be told: a training's model, the page, or the tables of another stage."""
    kind, _, item = stage.partition("@")
    if kind in ("train_cnn_fold", "train_yolo_fold"):
        data_set, fold, seed = item.split("-")
        ending = ".keras" if kind == "train_cnn_fold" else ".pt"
        return [fold_model(data_set, int(fold), int(seed), ending)]
    if kind in ("prepare_shard", "augment_shard"):
        data_set, shard = item.split("-")
        return [shard_table(data_set, kind.removesuffix("_shard"), int(shard))]
    made = {"train_ensemble": ensemble_model, "train_distilled": distilled_model}
    if kind in made:
        return [made[kind](item)]
    if kind.startswith("gather"):
        return [gathered(item)]
    if kind == "report":
        return [PAGE]
    if kind.startswith("train_"):
        return sorted(Path("models").glob(f"{item}.*"))
    return sorted(folder(item, kind).glob("*.csv"))


def _peak_mb() -> int | None:
    """Return the most memory that this process has held, MB; `ru_maxrss` would count the parent's too."""
    try:
        lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    except OSError:
        return None
    return next((round(int(line.split()[1]) * 1024 / 1e6) for line in lines if line.startswith("VmHWM:")), None)


def _cpu() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    named = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(named, platform.machine())


def _gpus(modules: Mapping[str, Any]) -> list[str]:
    """Return the names of the GPUs that an imported framework may use; none where the parameters say `cpu`."""
    if os.environ.get("CUDA_VISIBLE_DEVICES") == "":
        return []
    if "torch" in modules:
        cuda = modules["torch"].cuda
        return [cuda.get_device_name(at) for at in range(cuda.device_count())]
    if "tensorflow" in modules:
        config = modules["tensorflow"].config
        devices = config.list_physical_devices("GPU")
        return [config.experimental.get_device_details(device).get("device_name", device.name) for device in devices]
    return []


def _builds(modules: Mapping[str, Any]) -> dict[str, Any]:
    """Return what of the libraries' builds decides how floats are summed: CPU instructions in use, and CUDA."""
    builds: dict[str, Any] = {}
    if "numpy" in modules:
        builds["numpy_simd"] = modules["numpy"].show_config(mode="dicts")["SIMD Extensions"]["found"]
    if "torch" in modules:
        builds["torch_simd"] = modules["torch"].backends.cpu.get_cpu_capability()
        builds["torch_cuda"] = modules["torch"].version.cuda
    if "tensorflow" in modules:
        builds["tensorflow_cuda"] = modules["tensorflow"].sysconfig.get_build_info().get("cuda_version")
    return builds
