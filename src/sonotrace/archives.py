"""Unpack zip files that others made."""

import stat
import zipfile
import zlib
from pathlib import Path, PurePosixPath

from sonotrace.errors import SonotraceError
from sonotrace.outputs import building


def unpack(archive: Path, into: Path) -> None:
    """Unpack a zip file into the folder `into`.

    Raises SonotraceError, and leaves nothing behind, where the archive is damaged or encrypted or has
    a member that is a link, that would land outside `into`, or that another would overwrite.
    """
    try:
        with zipfile.ZipFile(archive) as opened:
            members = opened.infolist()
            _check(archive, members)
            with building(into) as part:
                opened.extractall(part)
    except (zipfile.BadZipFile, zlib.error, NotImplementedError, EOFError, OSError) as error:
        raise SonotraceError(f"{archive}: cannot be unpacked ({error}); get it again") from None


def _check(archive: Path, members: list[zipfile.ZipInfo]) -> None:
    seen: set[str] = set()
    for member in members:
        path = PurePosixPath(member.filename.replace("\\", "/"))
        if not member.filename:
            raise SonotraceError(f"{archive}: a member has no name; make the zip again")
        if not path.parts:
            continue  # the folder itself, as `./`
        if path.is_absolute() or ".." in path.parts or ":" in path.parts[0]:
            raise SonotraceError(f"{archive}: {member.filename!r} leads out of the archive; refuse it")
        if stat.S_ISLNK(member.external_attr >> 16):
            raise SonotraceError(f"{archive}: {member.filename!r} is a link; make the zip without links")
        if member.flag_bits & 0x1:
            raise SonotraceError(f"{archive}: {member.filename!r} is encrypted; unpack it yourself first")
        key = str(path).casefold()
        if key in seen:
            raise SonotraceError(f"{archive}: {member.filename!r} stands twice; make the zip again")
        seen.add(key)
