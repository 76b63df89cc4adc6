"""DVC remotes of the three usual kinds, each a real one on this machine: a shared folder, an SSH server, an S3 gateway.

Each starts and stops its own server: OpenSSH's sshd, or Ceph's monitor, storage daemon (in memory) and S3 gateway.
"""

import contextlib
import functools
import hashlib
import os
import secrets
import shutil
import signal
import socket
import subprocess
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
from checkouts import Checkout
from servers import free_port

SYSTEM = "/usr/sbin:/usr/bin:/sbin:/bin"
SSHD = shutil.which("sshd", path=SYSTEM)
CEPH = [shutil.which(name, path=SYSTEM) for name in ("ceph", "ceph-mon", "ceph-osd", "ceph-authtool", "radosgw-admin")]
GATEWAY = shutil.which("radosgw", path=SYSTEM)
START_S = 60


class Folder:
    """A folder that all machines see."""

    kind = "folder"
    missing = ""
    secret = ""
    """Credential that is in `.dvc/config.local` and nowhere else."""

    def __init__(self, work: Path) -> None:
        self.objects = work / "shared"

    def add_to(self, checkout: Checkout) -> None:
        """Make it the default remote of a checkout, and commit that."""
        checkout.run("dvc", "remote", "add", "--default", "store", str(self.objects))
        checkout.commit("A remote")

    def log_in(self, checkout: Checkout) -> None:
        """Give a checkout what it needs to get in; nothing of it is committed."""

    def options(self) -> list[str]:
        """Return what `dvc artifacts get` needs to get in."""
        return []

    def names(self) -> list[str]:
        """Return the paths of all objects, below the remote."""
        return sorted(str(path.relative_to(self.objects)) for path in self.objects.rglob("*") if path.is_file())

    def read(self, name: str) -> bytes:
        """Return the bytes of an object."""
        return (self.objects / name).read_bytes()

    def write(self, name: str, content: bytes) -> None:
        """Put other bytes in an object's place."""
        (self.objects / name).chmod(0o600)
        (self.objects / name).write_bytes(content)

    def remove(self, name: str) -> None:
        """Delete an object; DVC may have deleted it already."""
        (self.objects / name).unlink(missing_ok=True)

    def die(self) -> None:
        """Kill the server."""

    def revive(self) -> None:
        """Start it again, with what it held."""

    def stop(self) -> None:
        """End all processes."""

    def damaged(self) -> list[str]:
        """Return the objects whose bytes are not those that their names say."""
        wrong = []
        for name in self.names():
            folder, _, rest = name.rpartition("/")
            wanted = (folder[-2:] + rest).removesuffix(".dir")
            if len(wanted) == 32 and hashlib.md5(self.read(name), usedforsecurity=False).hexdigest() != wanted:
                wrong.append(name)
        return wrong


class Ssh(Folder):
    """A folder behind sshd, which lets in one key."""

    kind = "ssh"
    missing = "" if SSHD else "sshd (Debian: openssh-server) is not installed"

    def __init__(self, work: Path) -> None:
        super().__init__(work)
        self.objects.mkdir(parents=True)
        self.port, self.key, self._settings = free_port(), work / "key", work / "sshd_config"
        for file in (self.key, work / "host"):
            subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(file)], check=True)
        self.secret = str(self.key)
        lines = [
            *("ListenAddress 127.0.0.1", f"Port {self.port}", f"HostKey {work}/host", f"PidFile {work}/sshd.pid"),
            *("PasswordAuthentication no", f"AuthorizedKeysFile {work}/key.pub", "StrictModes no"),
            *("PermitRootLogin prohibit-password", "UsePAM no", "Subsystem sftp internal-sftp"),
        ]
        self._settings.write_text("\n".join(lines) + "\n")
        self._server: subprocess.Popen[bytes] | None = None
        self.revive()

    def add_to(self, checkout: Checkout) -> None:
        user = subprocess.run(["id", "-un"], capture_output=True, text=True, check=True).stdout.strip()
        address = f"ssh://{user}@127.0.0.1:{self.port}{self.objects}"
        checkout.run("dvc", "remote", "add", "--default", "store", address)
        checkout.run("dvc", "remote", "modify", "store", "verify", "true")
        checkout.commit("A remote")

    def log_in(self, checkout: Checkout) -> None:
        checkout.run("dvc", "remote", "modify", "--local", "store", "keyfile", str(self.key))

    def options(self) -> list[str]:
        return ["--remote-config", f"keyfile={self.key}"]

    def die(self) -> None:
        assert self._server is not None
        server = psutil.Process(self._server.pid)
        for process in [*server.children(recursive=True), server]:  # one a connection, in sessions of their own
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        self._server.wait()

    def revive(self) -> None:
        with contextlib.suppress(OSError):
            Path("/run/sshd").mkdir(exist_ok=True)  # where root's sshd locks its helpers in
        log = (self._settings.parent / "sshd.log").open("ab")
        self._server = subprocess.Popen([str(SSHD), "-D", "-e", "-f", str(self._settings)], stderr=log)
        wait(lambda: answers(self.port), self._server)

    def stop(self) -> None:
        self.die()


class S3(Folder):
    """A bucket of Ceph's S3 gateway."""

    kind = "s3"
    missing = "" if all(CEPH) and GATEWAY else "Ceph (Debian: ceph-mon, ceph-osd, radosgw) is not installed"
    bucket = "sonotrace"

    def __init__(self, work: Path) -> None:
        self._work = work
        work.mkdir(parents=True, exist_ok=True)
        monitor, self.port = free_port(), free_port()
        self.user, self.secret = secrets.token_hex(10).upper(), secrets.token_hex(20)
        self._processes: list[subprocess.Popen[bytes]] = []
        at = f"v2:127.0.0.1:{monitor}/0"
        cluster = str(uuid.uuid4())
        common = {
            "fsid": cluster,
            "mon initial members": "a",
            "mon host": at,
            "keyring": work / "keyring",
            "run dir": work,
            "admin socket": work / "$name.$pid.asok",
            "log file": work / "$name.log",
            "pid file": work / "$name.pid",
            "public network": "127.0.0.0/8",
            "mon allow pool size one": "true",
            "osd pool default size": 1,
            "osd pool default min size": 1,
            "osd pool default pg num": 1,
            "osd crush chooseleaf type": 0,
            "osd pool default pg autoscale mode": "off",
        }
        parts: dict[str, dict[str, Any]] = {
            "global": common,
            "mon.a": {"mon data": work / "mon", "public addr": at},
            "osd": {"osd objectstore": "memstore", "osd data": work / "osd"},
            "client.admin": {"rgw frontends": f"beast endpoint=127.0.0.1:{self.port}", "rgw run sync thread": "false"},
        }
        text = "".join(
            f"[{part}]\n" + "".join(f"{key} = {value}\n" for key, value in settings.items())
            for part, settings in parts.items()
        )
        (work / "ceph.conf").write_text(text)
        (work / "osd").mkdir()
        everything = ["--cap", "mon", "allow *", "--cap", "osd", "allow *", "--cap", "mgr", "allow *"]
        self._call(
            *("ceph-authtool", "--create-keyring", "keyring", "--gen-key", "-n", "mon.", "--cap", "mon", "allow *")
        )
        self._call("ceph-authtool", "keyring", "--gen-key", "-n", "client.admin", *everything)
        where = ["--create", "--fsid", cluster, "--addv", "a", f"[v2:127.0.0.1:{monitor}]", "monmap"]
        self._call("monmaptool", *where)
        self._ceph("ceph-mon", "-i", "a", "--mkfs", "--monmap", "monmap", "--keyring", "keyring")
        try:
            self._start("ceph-mon", "-i", "a")
            wait(lambda: "quorum" in self._ceph("ceph", "--connect-timeout", "5", "-s", fails=True), self._processes[0])
            key = self._call("ceph-authtool", "--gen-print-key").strip()
            disk = str(uuid.uuid4())
            self._ceph("ceph", "osd", "new", disk, "-i", "-", said=f'{{"cephx_secret": "{key}"}}')
            self._call("ceph-authtool", "--create-keyring", "osd/keyring", "--name", "osd.0", "--add-key", key)
            self._ceph("ceph-osd", "-i", "0", "--mkfs", "--osd-uuid", disk, "--keyring", "osd/keyring")
            self._start("ceph-osd", "-i", "0", "--keyring", "osd/keyring")
            keys = ["--access-key", self.user, "--secret-key", self.secret]
            self._ceph("radosgw-admin", "user", "create", "--uid", "test", "--display-name", "test", *keys)
            self.revive()
            self._client.create_bucket(Bucket=self.bucket)
        except BaseException:
            self.stop()
            raise

    def add_to(self, checkout: Checkout) -> None:
        checkout.run("dvc", "remote", "add", "--default", "store", f"s3://{self.bucket}/models")
        checkout.run("dvc", "remote", "modify", "store", "endpointurl", self._address())
        checkout.run("dvc", "remote", "modify", "store", "verify", "true")
        checkout.commit("A remote")

    def log_in(self, checkout: Checkout) -> None:
        for key, value in (("access_key_id", self.user), ("secret_access_key", self.secret)):
            checkout.run("dvc", "remote", "modify", "--local", "store", key, value)

    def options(self) -> list[str]:
        settings = (f"access_key_id={self.user}", f"secret_access_key={self.secret}")
        return ["--remote-config", *settings]

    def names(self) -> list[str]:
        pages = self._client.get_paginator("list_objects_v2").paginate(Bucket=self.bucket)
        return sorted(one["Key"] for page in pages for one in page.get("Contents", ()))

    def read(self, name: str) -> bytes:
        content: bytes = self._client.get_object(Bucket=self.bucket, Key=name)["Body"].read()
        return content

    def write(self, name: str, content: bytes) -> None:
        self._client.put_object(Bucket=self.bucket, Key=name, Body=content)

    def remove(self, name: str) -> None:
        self._client.delete_object(Bucket=self.bucket, Key=name)

    def die(self) -> None:
        gateway = self._processes.pop()
        gateway.kill()
        gateway.wait()

    def revive(self) -> None:
        self._start("radosgw", "-n", "client.admin")
        wait(lambda: answers(self.port), self._processes[-1])

    def stop(self) -> None:
        while self._processes:
            self.die()

    def _address(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @functools.cached_property
    def _client(self) -> Any:
        from botocore.session import get_session

        return get_session().create_client(
            "s3",
            endpoint_url=self._address(),
            aws_access_key_id=self.user,
            aws_secret_access_key=self.secret,
            region_name="us-east-1",
        )

    def _ceph(self, name: str, *rest: str, said: str | None = None, fails: bool = False) -> str:
        return self._call(name, "-c", "ceph.conf", *rest, said=said, fails=fails)

    def _call(self, *command: str, said: str | None = None, fails: bool = False) -> str:
        done = subprocess.run(
            command, cwd=self._work, input=said, capture_output=True, text=True, check=False, timeout=START_S
        )
        assert fails or done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def _start(self, name: str, *rest: str) -> None:
        with (self._work / f"{name}.out").open("ab") as log:
            command = [name, "-c", "ceph.conf", "-f", *rest]
            self._processes.append(subprocess.Popen(command, cwd=self._work, stdout=log, stderr=log))


STORES: dict[str, type[Folder]] = {one.kind: one for one in (Folder, Ssh, S3)}


@contextlib.contextmanager
def store(kind: str, work: Path) -> Iterator[Folder]:
    """Run a remote of a kind in an empty folder."""
    made = STORES[kind](work)
    try:
        yield made
    finally:
        made.stop()


def answers(port: int) -> bool:
    """Say whether somebody listens on a port."""
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
        return True
    return False


def wait(ready: Callable[[], bool], server: "subprocess.Popen[bytes]") -> None:
    """Wait until a server is ready."""
    deadline = time.monotonic() + START_S
    while not ready():
        assert server.poll() is None, server.args
        assert time.monotonic() < deadline, server.args
        time.sleep(0.1)


def interrupted(checkout: Checkout, remote: Folder, *, after: int) -> str:
    """Run `dvc push`, and kill the server once it holds `after` objects; a folder has none: kill DVC. Return the rest.

    What is returned is what the command printed.
    """
    process = subprocess.Popen(
        ["dvc", "push"],
        cwd=checkout.path,
        env=checkout.environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    while len(remote.names()) < after:
        assert process.poll() is None, "it was done before it was interrupted"
    if remote.kind == "folder":
        os.killpg(process.pid, signal.SIGKILL)
    else:
        remote.die()
    printed, _ = process.communicate(timeout=300)
    assert process.returncode != 0, printed
    return printed
