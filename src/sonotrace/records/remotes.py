"""Where what is missing here could be fetched from."""

import subprocess
from pathlib import Path


def has_remote(top: Path) -> bool:
    """Return whether DVC has a remote for the repository whose top folder is `top`.

    As for DVC itself, the configuration of the repository, of this clone, of the user and of the
    system counts. False where DVC cannot read it, since nothing can be fetched then either.
    """
    from dvc.config import Config
    from dvc.exceptions import DvcException

    try:
        return bool(Config(top / ".dvc", validate=False).get("remote"))
    except DvcException:
        return False


def has_git_remote(top: Path) -> bool:
    """Return whether git has a remote for the repository whose top folder is `top`."""
    done = subprocess.run(["git", "-C", top, "remote"], capture_output=True, check=False)
    return bool(done.stdout.strip())
