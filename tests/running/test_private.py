"""What the tools store lies where no other user can enter."""

import errno
import os
import resource
import stat
import subprocess
from pathlib import Path

import pytest

from sonotrace.errors import SonotraceError
from sonotrace.running import private
from sonotrace.running.private import WITH_PATIENTS, close_data, common_state, private_state, share
from sonotrace.running.start import prepare


def _mode(path):
    return stat.S_IMODE(path.stat().st_mode)


@pytest.fixture(params=[0o022, 0o077, 0o000], ids=["022", "077", "000"], autouse=True)
def _umask(request):
    before = os.umask(request.param)
    yield
    os.umask(before)


@pytest.fixture
def _reachable(tmp_path):
    """Let every user reach the checkout, as those below /srv or /data are reached."""
    for folder in (tmp_path, *tmp_path.parents[:-2]):
        if folder.owner() == Path.home().owner():
            folder.chmod(folder.stat().st_mode | 0o711)


def test_only_the_owner_can_enter_the_state_and_the_folders_that_dvc_opens_to_all(tmp_path):
    state = private_state(tmp_path)
    for folder in (state, state / "dvc", state / "dvc/repo"):
        assert _mode(folder) == 0o700


@pytest.mark.parametrize("opened", [".sonotrace", ".sonotrace/dvc", ".sonotrace/dvc/repo"])
def test_caches_that_others_could_write_to_are_deleted_and_said(tmp_path, capsys, opened):
    state = private_state(tmp_path)
    for name in ("dvc/repo/cache.db", "runs/split.json", "downloads/a.zip"):
        (state / name).parent.mkdir(exist_ok=True)
        (state / name).write_text("x")
    (tmp_path / opened).chmod(0o777)
    private_state(tmp_path)
    assert not (state / "dvc/repo/cache.db").exists()
    assert (state / "runs/split.json").exists()
    assert (state / "downloads/a.zip").exists()
    assert all(_mode(folder) == 0o700 for folder in (state, state / "dvc", state / "dvc/repo"))
    said = capsys.readouterr().err
    assert said == f"note: {tmp_path / opened}: other users could write here; made private, and its caches deleted\n"


def test_what_only_others_could_read_is_kept(tmp_path, capsys):
    state = private_state(tmp_path)
    (state / "dvc/repo/cache.db").write_text("x")
    state.chmod(0o755)
    private_state(tmp_path)
    assert _mode(state) == 0o700
    assert (state / "dvc/repo/cache.db").exists()
    assert capsys.readouterr().err == ""


def test_a_file_system_without_modes_gets_a_private_folder_elsewhere(tmp_path, monkeypatch):
    monkeypatch.setattr(Path, "chmod", lambda *_: None)
    (tmp_path / ".sonotrace").mkdir()
    os.chmod(tmp_path / ".sonotrace", 0o777)  # noqa: PTH101, S103 - past the method that does nothing here
    state = private_state(tmp_path)
    assert tmp_path not in state.parents
    assert _mode(state) == 0o700


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to give a folder away")
def test_state_of_another_user_is_refused(tmp_path):
    os.chown(private_state(tmp_path), 12345, 12345)
    with pytest.raises(SonotraceError, match=r"\.sonotrace: belongs to another user; remove it"):
        private_state(tmp_path)


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to become another user")
@pytest.mark.usefixtures("_reachable")
def test_another_user_can_neither_plant_nor_read_a_file(tmp_path):
    state = private_state(tmp_path)
    other = ["setpriv", "--reuid=12345", "--regid=12345", "--clear-groups"]
    (state / "dvc/repo").chmod(0o777)  # as DVC leaves it where the folder is not there yet
    assert subprocess.run([*other, "test", "-x", tmp_path], check=False).returncode == 0
    planted = subprocess.run([*other, "touch", state / "dvc/repo/cache.db"], capture_output=True, check=False)
    assert b"Permission denied" in planted.stderr


@pytest.fixture
def with_data(tmp_path):
    for name in WITH_PATIENTS:
        (tmp_path / name).mkdir(parents=True)
        (tmp_path / name).chmod(0o2775)
    return tmp_path


def _modes(top):
    return [oct(stat.S_IMODE((top / name).stat().st_mode)) for name in WITH_PATIENTS]


@pytest.mark.parametrize(
    ("config", "modes"),
    [
        (None, "0o700"),
        ("[core]\n    analytics = false\n", "0o700"),
        ("[cache]\n    shared = group\n", "0o2770"),
        ("not a config", "0o700"),
    ],
)
def test_data_is_closed_to_others_and_to_the_group_unless_it_shares_the_cache(with_data, config, modes):
    if config is not None:
        (with_data / ".dvc/config").write_text(config)
    close_data(with_data)
    assert _modes(with_data) == [modes, modes]


def test_modes_that_are_stricter_already_are_kept(with_data):
    (with_data / "data").chmod(0o500)
    close_data(with_data)
    assert _modes(with_data)[0] == "0o500"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a folder to somebody else")
def test_data_of_another_user_is_left_alone(with_data):
    os.chown(with_data / "data", 65534, 65534)
    close_data(with_data)
    assert _modes(with_data) == ["0o2775", "0o700"]


def test_a_command_that_changes_the_checkout_closes_its_data(with_data):
    prepare(with_data, mends=False)
    assert _modes(with_data)[0] == "0o2775"
    prepare(with_data)
    assert _modes(with_data)[0] == "0o700"


@pytest.fixture(params=["config", "config.local"])
def shared(request, tmp_path):
    """Return a checkout that its group shares."""
    (tmp_path / ".dvc").mkdir()
    (tmp_path / ".dvc" / request.param).write_text("[cache]\n    shared = group\n")
    return tmp_path


def test_in_a_shared_checkout_each_user_has_a_private_state_below_a_common_one(shared):
    state = private_state(shared)
    assert state == shared / ".sonotrace" / f"user-{os.geteuid()}"
    assert common_state(shared, state) == shared / ".sonotrace"
    assert _mode(shared / ".sonotrace") == 0o2770
    assert [_mode(state / below) for below in ("", "dvc", "dvc/repo")] == [0o700] * 3
    assert (shared / ".sonotrace/.gitignore").read_text() == "*\n"


def test_what_is_made_in_a_shared_checkout_its_group_may_write_and_nobody_else_gets_more(shared):
    given = os.umask(0o077)
    os.umask(given)
    share(shared)
    (shared / "new").touch()
    assert _mode(shared / "new") == (0o666 & ~given | 0o060)


def test_a_disk_without_room_gets_a_folder_elsewhere_and_says_so(tmp_path, monkeypatch, capsys):
    """DVC's databases end it with a bus error there."""
    monkeypatch.setattr(private, "no_room", lambda folder: tmp_path in folder.parents and OSError(28, "No space left"))
    state = private_state(tmp_path)
    assert tmp_path not in state.parents
    assert capsys.readouterr().err == (
        f"note: {tmp_path / '.sonotrace'}: No space left; another folder takes its place for this run\n"
    )


def test_room_is_tried_for_real(tmp_path):
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    assert private.no_room(tmp_path) is None
    resource.setrlimit(resource.RLIMIT_FSIZE, (private.ROOM - 1, before[1]))
    try:
        refused = private.no_room(tmp_path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert refused is not None
    assert refused.errno == errno.EFBIG
    assert list(tmp_path.iterdir()) == []
