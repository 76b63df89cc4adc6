"""A real Slurm of one node on the loopback address, for as long as a test needs it."""

import contextlib
import os
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from servers import free_port
from stores import SYSTEM

DAEMONS = ("munged", "slurmctld", "slurmd")
TOOLS = ("sbatch", "squeue", "scancel", "scontrol", "srun", "unshare", "nsenter")
ETC = Path("/etc/slurm")
START_S = 30

missing = [name for name in (*DAEMONS, *TOOLS) if shutil.which(name, path=SYSTEM) is None]
WHY_NOT = ""
"""Why no cluster can be started on this machine; empty if one can."""
if missing:
    WHY_NOT = f"{', '.join(missing)} not installed (Debian: slurmd, slurmctld, slurm-client, munge, util-linux)"
elif os.geteuid() or not ETC.is_dir():
    WHY_NOT = f"only root can start Slurm's daemons with a configuration of their own in place of {ETC}"
elif subprocess.run(["unshare", "--mount", "true"], capture_output=True, check=False).returncode:
    WHY_NOT = "this machine allows no mount namespaces"


class Cluster:
    """A control daemon and one compute node of two cores and what it takes for a graphics card.

    Commands see them only from a mount namespace of their own. There, `/etc/slurm` is the test's: srun, called in a
    job, looks for its configuration nowhere else, since the Snakemake plugin takes all variables of Slurm out of a
    job's environment.
    """

    def __init__(self, work: Path) -> None:
        """Start it in an empty folder."""
        self.node = os.uname().nodename.partition(".")[0]
        self._work = work
        for folder in ("etc", "state", "spool"):
            (work / folder).mkdir(parents=True)
        (work / "munge.key").write_bytes(os.urandom(32))
        (work / "munge.key").chmod(0o600)
        at = {
            "ClusterName": "test",
            "SlurmctldHost": f"{self.node}(127.0.0.1)",
            "SlurmctldPort": free_port(),
            "SlurmdPort": free_port(),
            "AuthType": "auth/munge",
            "AuthInfo": f"socket={work}/munge.socket",
            "SlurmUser": "root",
            "SlurmdUser": "root",
            "StateSaveLocation": work / "state",
            "SlurmdSpoolDir": work / "spool",
            "SlurmctldPidFile": work / "slurmctld.pid",
            "SlurmdPidFile": work / "slurmd.pid",
            "ProctrackType": "proctrack/linuxproc",
            "TaskPlugin": "task/none",
            "MpiDefault": "none",
            "GresTypes": "gpu",
            "SelectType": "select/cons_tres",
            "SelectTypeParameters": "CR_CPU_Memory",
            "ReturnToService": 0,
            "MinJobAge": 300,
            "KillWait": 5,
            "NodeName": f"{self.node} NodeAddr=127.0.0.1 CPUs=2 RealMemory=14000 Gres=gpu:1",
            "PartitionName": "main Nodes=ALL Default=YES MaxTime=INFINITE State=UP",
        }
        (work / "etc/slurm.conf").write_text("".join(f"{key}={value}\n" for key, value in at.items()))
        (work / "etc/gres.conf").write_text("Name=gpu File=/dev/null\n")
        self._processes = [
            subprocess.Popen(["unshare", "--mount", "sh", "-c", f"mount --bind '{work}/etc' {ETC} && exec sleep 86400"])
        ]
        try:
            self._wait(lambda: self._call("cat", str(ETC / "slurm.conf"))[0] == 0)
            paths = [f"--{name}={work}/munge.{name}" for name in ("socket", "pid-file", "log-file", "seed-file")]
            self._start("munged", "--foreground", "--force", f"--key-file={work}/munge.key", *paths)
            self._wait((work / "munge.socket").exists)
            self._start("slurmctld", "-D")
            self._start("slurmd", "-D")
            self._wait(lambda: "idle" in self.run("sinfo", "--noheader"))
        except BaseException:
            self.stop()
            raise

    def inside(self, folder: Path = Path("/")) -> list[str]:
        """Return what to put before a command for it to see the cluster, and to run in a folder."""
        return ["nsenter", f"--mount=/proc/{self._processes[0].pid}/ns/mnt", f"--wd={folder}"]

    def run(self, *command: str) -> str:
        """Run one of Slurm's own commands."""
        code, printed = self._call(*command)
        assert code == 0, printed
        return printed

    def jobs(self) -> dict[str, str]:
        """Return the state of each job that is waiting or running, by its number."""
        return dict(line.split("|") for line in self.run("squeue", "--noheader", "--format=%i|%T").split())

    def stop(self) -> None:
        """End all daemons, jobs included."""
        with contextlib.suppress(AssertionError):
            for job in self.jobs():
                self.run("scancel", "--signal=KILL", "--full", job)
        while self._processes:
            process = self._processes.pop()
            process.terminate()
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def _call(self, *command: str) -> tuple[int, str]:
        done = subprocess.run([*self.inside(), *command], capture_output=True, text=True, check=False, timeout=60)
        return done.returncode, done.stdout + done.stderr

    def _start(self, name: str, *rest: str) -> None:
        with (self._work / f"{name}.out").open("ab") as log:
            self._processes.append(subprocess.Popen([*self.inside(), name, *rest], stdout=log, stderr=log))

    def _wait(self, ready: Callable[[], bool]) -> None:
        deadline = time.monotonic() + START_S
        while True:
            with contextlib.suppress(AssertionError):
                if ready():
                    return
            ended = [process.args for process in self._processes if process.poll() is not None]
            said = "".join(path.read_text()[-500:] for path in sorted(self._work.glob("*.out")))
            assert not ended, f"{ended}: {said}"
            assert time.monotonic() < deadline, said
            time.sleep(0.1)


@contextlib.contextmanager
def cluster(work: Path) -> Iterator[Cluster]:
    """Run a cluster in an empty folder."""
    made = Cluster(work)
    try:
        yield made
    finally:
        made.stop()
