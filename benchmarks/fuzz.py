"""Feed damaged and hostile input to everything that parses foreign files or messages, and keep what goes wrong.

    uv pip install --target ../atheris atheris==3.0.0
    PYTHONPATH=src:../atheris python benchmarks/fuzz.py [TARGET ...] [--minutes 2] [--at FOLDER]

atheris mutates the valid files that each target starts from, and builds on inputs that reach new lines of Python; it
does not see into C code. Each target runs in a process of its own, and a later run continues with the corpus in FOLDER.
An input must end in a result or a documented error, usually a SonotraceError of one printable line, within 10 s of CPU
and 1 GB of memory. Anything else is a finding: its input and traceback are kept in FOLDER/findings, once per exception
and line of ours. `FOLDER/runs.csv` gets one row per process.

    PYTHONPATH=src:../atheris python benchmarks/fuzz.py TARGET --replay FILE

runs a single input. Prints a Markdown table, and exits with 1 if there is a finding.
"""

import argparse
import csv
import json
import os
import re
import resource
import subprocess
import sys
import tempfile
import time
import traceback
from collections import defaultdict
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout
from hashlib import sha256
from io import StringIO
from pathlib import Path
from typing import Any

import fuzz_files  # noqa: F401 - adds its targets
import fuzz_records  # noqa: F401
import fuzz_servers  # noqa: F401
from fuzz_inputs import TARGETS, Made
from measure import REPOSITORY, print_table, tell

from sonotrace.errors import SonotraceError

CPU_S, MEGABYTES = 10, 1000
"""What one input may cost."""
HANG_S = 120
"""Wall time after which a process is killed; on a busy machine it is much longer than the CPU time."""
SPACE = 3 << 30
"""Bytes of address space that an input may add: a larger allocation fails instead of filling the machine."""
INSTRUMENTED = ("sonotrace", "yaml", "PIL.TiffImagePlugin")
"""Packages whose lines count; pydicom behaves differently when instrumented."""
BEGIN_ANEW = 3
"""Exit code of a process after a finding that spoils its measurements."""
LONGEST = 20_000
"""Most bytes of an input."""


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("targets", nargs="*", metavar="TARGET", help=", ".join(TARGETS))
    arguments.add_argument("--minutes", type=float, default=2, help="wall time per target")
    arguments.add_argument("--at", type=Path, default=Path(tempfile.gettempdir()) / "sonotrace-fuzz")
    arguments.add_argument("--replay", type=Path)
    arguments.add_argument("--child", action="store_true", help=argparse.SUPPRESS)
    options = arguments.parse_args()
    options.at = options.at.resolve()
    unknown = set(options.targets) - set(TARGETS)
    if unknown:
        arguments.error(f"no such target: {', '.join(sorted(unknown))}")
    if options.replay:
        Harness(options.targets[0], options.at).replay(options.replay.read_bytes())
    elif options.child:
        Harness(options.targets[0], options.at).fuzz(options.minutes * 60)
    else:
        drive(options)


def drive(options: argparse.Namespace) -> None:
    """Run each target in a process of its own, and in another one after a crash, until its time is up."""
    runs = options.at / "runs.csv"
    options.at.mkdir(parents=True, exist_ok=True)
    for name in options.targets or TARGETS:
        until = time.monotonic() + 60 * options.minutes
        while (left := until - time.monotonic()) > 1:
            before = resource.getrusage(resource.RUSAGE_CHILDREN)
            command = [sys.executable, __file__, name, "--child", "--at", str(options.at), "--minutes", str(left / 60)]
            log = options.at / f"{name}.log"
            with log.open("w") as file, tempfile.TemporaryDirectory() as folder:
                environment = os.environ | {"TMPDIR": folder}
                done = subprocess.run(command, stdout=file, stderr=file, cwd=REPOSITORY, env=environment, check=False)
            code = done.returncode
            after = resource.getrusage(resource.RUSAGE_CHILDREN)
            cpu_s = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
            said = log.read_text(errors="replace")
            if code not in (0, BEGIN_ANEW):  # a crash or a hang
                (options.at / "findings").mkdir(exist_ok=True)
                (options.at / "findings" / f"{name}-ended-{code}-{time.time():.0f}.log").write_text(said[-20_000:])
            counted = re.findall(r"^stat::number_of_executed_units: (\d+)", said, re.MULTILINE)
            state = _state(options.at, name)
            executions = counted[-1] if counted else state.get("runs", 0)
            row = [name, f"{cpu_s:.1f}", executions, f"{state.get('slowest', 0):.2f}", code]
            with runs.open("a", newline="") as file:
                csv.writer(file, lineterminator="\n").writerow(row)
            tell(f"{' '.join(map(str, row))}; findings so far: {len(state.get('found', []))}")
    report(options.at)


def _state(at: Path, name: str) -> dict[str, Any]:
    path = at / f"{name}.json"
    found: dict[str, Any] = json.loads(path.read_text()) if path.is_file() else {}
    return found


def report(at: Path) -> None:
    """Print the sums over all runs in a folder."""
    sums: dict[str, list[float]] = defaultdict(lambda: [0.0, 0.0, 0.0])
    for name, cpu_s, runs, slowest, _ in csv.reader((at / "runs.csv").open()):
        one = sums[name]
        sums[name] = [one[0] + float(cpu_s), one[1] + int(runs), max(one[2], float(slowest))]
    found = {name: sum(len([*(at / "findings").glob(f"{name}-*.{end}")]) for end in ("txt", "log")) for name in sums}
    rows = [
        (name, f"{cpu_s / 60:.1f}", f"{runs:,.0f}", f"{slowest:.1f}", found[name])
        for name, (cpu_s, runs, slowest) in sums.items()
    ]
    total = f"{sum(one[0] for one in sums.values()) / 60:.1f}", f"{sum(one[1] for one in sums.values()):,.0f}"
    rows.append(("all", *total, "", sum(found.values())))
    print_table(["target", "CPU, min", "executions", "slowest, s", "findings"], rows)
    if any(found.values()):
        raise SystemExit(1)


def _statm() -> list[str]:
    """Return the memory of this process in pages: its address space, the resident part, and more."""
    return Path("/proc/self/statm").read_text().split()


class Harness:
    """One target in this process."""

    def __init__(self, name: str, at: Path) -> None:
        self.name, self.at = name, at
        self.state: dict[str, Any] = {"runs": 0, "slowest": 0.0, "found": []}
        self.most = 0
        self._said = 0.0

    def replay(self, content: bytes) -> None:
        run, _ = self._made()
        self._one(run, content, fatal=True)
        print("no finding")

    def fuzz(self, seconds: float) -> None:
        import atheris

        corpus = self.at / "corpus" / self.name
        corpus.mkdir(parents=True, exist_ok=True)
        with atheris.instrument_imports(include=list(INSTRUMENTED)):
            run, seeds = self._made()
            for seed in seeds:
                (corpus / sha256(seed).hexdigest()[:16]).write_bytes(seed)
                self._one(run, seed)
        self.most = int(_statm()[0]) * resource.getpagesize() + SPACE
        resource.setrlimit(resource.RLIMIT_AS, (self.most, self.most))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        flags = [f"-max_total_time={seconds:.0f}", f"-timeout={HANG_S}", "-rss_limit_mb=0", "-print_final_stats=1"]
        flags += [f"-max_len={LONGEST}", f"-artifact_prefix={self.at}/findings/{self.name}-", "-reload=0"]
        (self.at / "findings").mkdir(exist_ok=True)
        atheris.Setup([sys.argv[0], *flags, str(corpus)], lambda content: self._one(run, content))
        atheris.Fuzz()

    def _made(self) -> Made:
        folder = tempfile.mkdtemp()
        os.chdir(folder)
        return TARGETS[self.name](Path(folder))

    def _one(self, run: Callable[[bytes], object], content: bytes, *, fatal: bool = False) -> None:
        """Run one input, and keep it if it is a finding."""
        space, resident = (int(pages) * resource.getpagesize() for pages in _statm()[:2])
        if self.most and space > self.most - SPACE // 2:  # what libFuzzer keeps of the inputs adds up
            self._write()
            os._exit(0)
        peak, start = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.process_time()
        trouble: BaseException | None = None
        try:
            with redirect_stdout(StringIO()), redirect_stderr(StringIO()):
                run(content)
        except SonotraceError as error:
            if not str(error).isprintable():
                trouble = AssertionError(f"no printable line: {str(error)!r}").with_traceback(error.__traceback__)
        except BaseException as error:  # noqa: BLE001 - any is a finding
            trouble = error
        seconds, largest = time.process_time() - start, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        if seconds > CPU_S:
            trouble = AssertionError(f"{seconds:.0f} s of CPU")
        if largest > peak and 1024 * largest - resident > MEGABYTES * 10**6:
            trouble = AssertionError(f"{(1024 * largest - resident) // 10**6} MB")
        self.state["runs"] += 1
        self.state["slowest"] = max(self.state["slowest"], seconds)
        if trouble:
            self._keep(content, trouble)
            if fatal:
                raise trouble
            if "MB" in str(trouble):  # the peak of a process never falls again
                self._write()
                os._exit(BEGIN_ANEW)
        if time.monotonic() - self._said > 2:
            self._write()

    def _write(self) -> None:
        self._said = time.monotonic()
        (self.at / f"{self.name}.json").write_text(json.dumps(self.state))

    def _keep(self, content: bytes, trouble: BaseException) -> None:
        lines = traceback.extract_tb(trouble.__traceback__)
        own = [line for line in lines if "/sonotrace/" in line.filename] or lines
        where = f"{Path(own[-1].filename).stem}-{own[-1].lineno}" if own else "process"
        key = f"{self.name}-{type(trouble).__name__}-{where}"
        if key in self.state["found"]:
            return
        self.state["found"].append(key)
        folder = self.at / "findings"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{key}.bin").write_bytes(content)
        text = "".join(traceback.format_exception(trouble))[-8000:]
        (folder / f"{key}.txt").write_text(text, errors="backslashreplace")
        self._write()


if __name__ == "__main__":
    main()
