"""Put images into `data/incoming/<data set>` and let DVC track them; what was there before is not lost."""

import filecmp
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import yaml

from sonotrace.errors import SonotraceError
from sonotrace.labels.listing import images_below, is_dicom
from sonotrace.places import DATA, STATE
from sonotrace.running.outputs import building, copy_into, remove, write_bytes
from sonotrace.sources.transfer.archives import TAR_ENDINGS, unpack

ARCHIVES = (".zip", *TAR_ENDINGS)


@dataclass(frozen=True)
class Offer:
    """Images that a user offers."""

    given: Path
    """The folder or archive, as the user names it."""
    folder: Path
    """The folder that holds its files: the one given, or what the archive was unpacked to."""

    @property
    def has_dicom(self) -> bool:
        """Whether any file is DICOM."""
        return any(is_dicom(file) for file in images_below(self.folder))


def open_offer(path: Path, scratch: Path) -> Offer:
    """Look at a folder or an archive; archives, also one alone in a folder, are unpacked to `scratch`.

    Raises SonotraceError where there is nothing to use.
    """
    if not path.exists():
        tracked = Path(f"{path}.dvc")
        remedy = f"`dvc checkout {tracked}` brings it" if tracked.is_file() else "check the path"
        raise SonotraceError(f"{path}: no such folder or archive; {remedy}")
    archives = [path] if path.is_file() else [file for file in sorted(path.iterdir()) if _is_archive(file)]
    if path.is_file() and not _is_archive(path):
        raise SonotraceError(f"{path}: not a folder and not an archive; name one of {', '.join(ARCHIVES)}")
    if path.is_file() or (len(archives) == 1 and not images_below(path)):
        unpack(archives[0], scratch)
        offer = Offer(path, scratch)
    else:
        offer = Offer(path, path)
    if not images_below(offer.folder):
        raise SonotraceError(f"{path}: no PNG, JPEG, BMP, TIFF or DICOM file in it; name what holds the images")
    return offer


def target_of(data_set: str) -> Path:
    """Return where the images of a data set belong."""
    return DATA / "incoming" / data_set


def is_missing(data_set: str, offer: Offer, replace: bool) -> bool:
    """Say whether the images have yet to be put in place; not where the same files are there already.

    Raises SonotraceError where others are there, unless `replace`; and even then where git and DVC do not have them.
    """
    target = target_of(data_set)
    if offer.given.resolve() == target.resolve() or _same(offer.folder, target):
        return False
    if not target.exists() or not any(_files(target)):
        return True
    if not replace:
        raise SonotraceError(
            f"{target}: holds other files; --replace removes them first; to add to them: docs/new-snapshot.md"
        )
    if not _is_recorded(target):
        raise SonotraceError(
            f"{target}: holds files that no commit records, so --replace would lose them; "
            f"`dvc add {target}` and commit, or move them away"
        )
    return True


@contextmanager
def placed(data_set: str, offer: Offer, scratch: Path) -> Iterator[None]:
    """Put the files into `data/incoming/<data set>`; where the block fails, put back what was there before."""
    target, before = target_of(data_set), scratch / "before"
    if target.exists():
        before.parent.mkdir(parents=True, exist_ok=True)
        shutil.move(target, before)
    try:
        if offer.folder != offer.given:
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.move(offer.folder, target)
        else:
            _copy(offer.folder, target)
        yield
    except BaseException:
        remove(target)
        if before.exists():
            shutil.move(before, target)
        raise


def track(data_set: str, *, push: bool) -> None:
    """Let DVC track `data/incoming/<data set>`; without `push` it is kept from every remote.

    Raises SonotraceError with DVC's reason where that fails.
    """
    target = target_of(data_set)
    if not push:
        # Else DVC would note the names of the files, which may name patients, where everyone can read them.
        _dvc("config", "--local", "core.site_cache_dir", str((STATE / "dvc").resolve()))
    _dvc("add", "--quiet", str(target))
    if not push:
        _keep_from_remotes(Path(f"{target}.dvc"))


def _keep_from_remotes(tracked: Path) -> None:
    content = yaml.safe_load(tracked.read_text(encoding="utf-8"))
    for out in content["outs"]:
        out["push"] = False  # `dvc add` keeps it from then on
    write_bytes(yaml.safe_dump(content, sort_keys=False).encode(), tracked)


def _dvc(*arguments: str) -> str:
    done = subprocess.run([sys.executable, "-m", "dvc", *arguments], capture_output=True, text=True, check=False)
    if done.returncode:
        reason = next((line for line in done.stderr.splitlines() if line.startswith("ERROR")), done.stderr.strip())
        raise SonotraceError(f"dvc {' '.join(arguments)}: {reason.removeprefix('ERROR: ')}; nothing was changed")
    return done.stdout


def _is_recorded(target: Path) -> bool:
    """Say whether a commit has the files as they are: git the .dvc file, and DVC's cache the content."""
    tracked = f"{target}.dvc"
    if not Path(tracked).is_file():
        return False
    known = subprocess.run(["git", "ls-files", "--error-unmatch", tracked], capture_output=True, check=False)
    changed = subprocess.run(["git", "status", "--porcelain", "--", tracked], capture_output=True, check=False)
    return known.returncode == 0 and not changed.stdout and _dvc("status", "--json", tracked).strip() == "{}"


def _is_archive(path: Path) -> bool:
    return path.is_file() and path.name.lower().endswith(ARCHIVES)


def _files(folder: Path) -> Iterator[Path]:
    """Yield the files in a folder and below, relative to it, without hidden ones."""
    for at, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(names):
            file = Path(at, name)
            if not name.startswith(".") and file.is_file():
                yield file.relative_to(folder)


def _same(one: Path, other: Path) -> bool:
    files = list(_files(one))
    return files == list(_files(other)) and all(filecmp.cmp(one / file, other / file, shallow=False) for file in files)


def _copy(origin: Path, target: Path) -> None:
    with building(target) as part:
        for file in _files(origin):
            (part / file).parent.mkdir(parents=True, exist_ok=True)
            copy_into(part / file, origin / file)
