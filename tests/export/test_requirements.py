"""The lock is read to the last hash, or not at all."""

from pathlib import Path

import pytest
from recorded_run import REQUIREMENTS

from sonotrace.errors import SonotraceError
from sonotrace.export.requirements import Package, packages


def test_packages_come_with_version_marker_and_every_hash(tmp_path):
    lock = tmp_path / "requirements.lock"
    lock.write_text(REQUIREMENTS)
    assert list(packages(lock)) == [
        Package("colorama", "0.4.6", "sys_platform == 'win32'", ["1" * 64]),
        Package("dvc", "3.67.1", "", ["2" * 64, "3" * 64]),
    ]


def test_every_line_of_the_projects_own_lock_is_understood():
    lock = Path(__file__).parents[2] / "requirements.lock"
    found = list(packages(lock))
    lines = lock.read_text().splitlines()
    assert len(found) + sum(len(package.hashes) for package in found) == len(lines)
    assert {"tensorflow", "torch", "dvc"} <= {package.name for package in found}
    assert all(package.hashes for package in found)


@pytest.mark.parametrize(
    "line", ["numpy>=2", "--index-url https://x", "    --hash=md5:00", "numpy @ https://x/numpy.whl", "dvc==3.67.1"]
)
def test_a_line_of_another_kind_is_refused(tmp_path, line):
    lock = tmp_path / "requirements.lock"
    lock.write_text(f"{REQUIREMENTS}{line}\n")
    with pytest.raises(SonotraceError, match=r"^requirements.lock: line 6 is .*`make lock` writes it anew"):
        list(packages(lock))
