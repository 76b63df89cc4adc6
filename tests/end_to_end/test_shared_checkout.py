"""Two users of one group work in one checkout, with both engines; see docs/reliability.md."""

import os
import subprocess
import tempfile
from pathlib import Path

import pytest
from checkouts import Checkout, clone

GROUP, ANNA, BELA = 54321, 12345, 12346
# Root's Python may lie where only root can read. This lets another user read everything, and write what they may.
AS = ["setpriv", "--inh-caps=+dac_read_search", "--ambient-caps=+dac_read_search", f"--groups={GROUP}"]


def _can_become_another() -> bool:
    done = subprocess.run([*AS, f"--reuid={ANNA}", f"--regid={GROUP}", "true"], capture_output=True, check=False)
    return done.returncode == 0


pytestmark = pytest.mark.skipif(
    os.geteuid() != 0 or not _can_become_another(), reason="needs root, to become other users"
)


@pytest.fixture
def checkout(tmp_path: Path) -> Checkout:
    """Return a checkout that was made ready for a group as docs/reliability.md says."""
    made = clone(tmp_path)
    for folder in made.path.parents[:4]:  # of pytest, which leaves them to this user alone
        if folder != Path(tempfile.gettempdir()):
            folder.chmod(0o755)
    made.run("dvc", "config", "cache.shared", "group")
    made.commit("Shared")
    made.run("sh", "-c", f"rm -rf .sonotrace .dvc/tmp && chgrp -R {GROUP} . && chmod -R g+rwX .", online=True)
    made.run("sh", "-c", f"find . -type d -exec chmod g+s {{}} + && chown -R {ANNA} .", online=True)
    return made


def _run(checkout: Checkout, user: int, command: str, fails: bool = False) -> str:
    umask = {ANNA: "077", BELA: "022"}[user]
    trusted = "GIT_CONFIG_COUNT=1 GIT_CONFIG_KEY_0=safe.directory GIT_CONFIG_VALUE_0=*"
    as_user = [*AS, f"--reuid={user}", f"--regid={GROUP}", "env", *trusted.split(), "HOME=/"]
    return checkout.run(*as_user, "sh", "-c", f"umask {umask} && {command}", online=True, fails=fails)


def test_what_one_user_made_the_other_uses_changes_and_makes_anew(checkout: Checkout) -> None:
    _run(checkout, ANNA, "dvc repro validate@structures")
    assert "Running stage 'validate" not in _run(checkout, BELA, "dvc repro split@structures")
    _run(checkout, ANNA, "snakemake --cores 2 prepare_structures")
    again = _run(checkout, BELA, "dvc repro --force --single-item pull@structures && dvc status prepare@structures")
    assert "up to date" in again
    assert "Nothing to be done" in _run(checkout, BELA, "snakemake --cores 2 prepare_structures")
    assert (checkout.path / "data").stat().st_mode & 0o777 == 0o770, "the group may enter, and nobody else"
    for user in (ANNA, BELA):
        state = (checkout.path / f".sonotrace/user-{user}").stat()
        assert (state.st_uid, state.st_mode & 0o777) == (user, 0o700)


def test_without_sharing_the_error_names_the_owner_and_what_to_do(checkout: Checkout) -> None:
    config = checkout.path / ".dvc/config"
    config.write_text(config.read_text().replace("shared = group", ""))
    checkout.run("chmod", "-R", "g-w", ".", online=True)
    said = _run(checkout, BELA, "dvc repro pull@structures", fails=True)
    (line,) = [line for line in said.splitlines() if line.startswith("error: ")]
    assert f"owner {ANNA}" in line
    assert "share this checkout with a group (docs/reliability.md)" in line
