"""A record on Zenodo, such as FETAL_PLANES_DB (Burgos-Artizzu et al. 2020, record 3904280).

A record's files never change: Zenodo gives new files a new record. Their MD5 sums come from the
record when it is pinned, and from the pin afterwards, so that a pull needs no network once the
files are in `request.keep`. Pooch checks and keeps the files; `sonotrace.sources.transfer.download` gets them, as
pooch's own way to Zenodo knows one address only and does not go on where a download stopped.

Source of the address forms and of the record's JSON: https://developers.zenodo.org, and the records
that Zenodo has served since it moved to InvenioRDM in October 2023.
"""

import logging
import re
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote

from sonotrace.errors import SonotraceError
from sonotrace.running.outputs import PART, remove
from sonotrace.sources import Pin, Request, Snapshot
from sonotrace.sources.transfer.archives import unpack
from sonotrace.sources.transfer.download import ANY_KIND, ZIP_KINDS, download, get_json
from sonotrace.sources.transfer.http import Limits

REMOTE = True


def fetch(request: Request) -> Snapshot:
    """Download a record's files, unless they are there already, and lay them out in `request.into`.

    A lone zip is unpacked there, several each into a folder of its own; other files go beside.

    Raises SonotraceError where the record or a file is not to be had, or is not what was pinned.
    """
    version = _version(request.params["record"])
    if request.pin is None:
        record = _record(request)
        archives: Mapping[str, str] = _files(record, version)
        licence = _licence(record)
    else:
        archives, licence = _pinned(request, request.pin, version)
    _check(archives, version)
    kept = request.keep / version.replace(" ", "-")
    _clear(kept, archives)
    files = [_fetch_file(request, name, checksum, kept) for name, checksum in sorted(archives.items())]
    _lay_out(files, request.into)
    return Snapshot(request.into, version, licence, archives=archives)


def newest(request: Request) -> tuple[str, str]:
    """Ask Zenodo for the newest version of the record; return the one that params.yaml names, and that."""
    record = request.params["record"]
    latest = _ask(request, f"/api/records/{record}/versions/latest")
    return _version(record), _version(_id(latest, _version(record)))


def _version(record: int) -> str:
    return f"record {record}"


def _limits(request: Request) -> Limits:
    return Limits(request.params["max_megabytes"], request.params["max_minutes"])


def _address(request: Request, path: str) -> str:
    return f"{str(request.params['address']).rstrip('/')}{path}"


def _ask(request: Request, path: str) -> Any:
    what = f"Zenodo {_version(request.params['record'])}"
    return get_json(_address(request, path), what, _limits(request))


def _record(request: Request) -> Mapping[str, Any]:
    """Ask for the record that the parameters name, and for no other.

    Zenodo leads the number that stands for all versions on to the newest one.
    """
    wanted = request.params["record"]
    record = _ask(request, f"/api/records/{wanted}")
    found = _id(record, _version(wanted))
    if found != wanted:
        raise SonotraceError(
            f"pull.{request.data_set}.zenodo.record: {wanted} leads to record {found}; name that one, "
            "as the number for all versions of a data set means other files after each update"
        )
    return dict(record)


def _id(record: Any, version: str) -> int:
    found = str(record.get("id", "")) if isinstance(record, dict) else ""
    if not re.fullmatch("[0-9]{1,18}", found):
        raise _unexpected(version, f"id {found!r}")
    return int(found)


def _files(record: Mapping[str, Any], version: str) -> dict[str, str]:
    """Return name -> checksum of the record's files. Links in the record are not followed."""
    files = record.get("files")
    if not files:
        raise SonotraceError(f"Zenodo {version}: lists no files; see on its page whether they are restricted")
    try:
        return {str(file["key"]): str(file["checksum"]) for file in files}
    except (KeyError, TypeError):
        raise _unexpected(version, "its files") from None


def _pinned(request: Request, pin: Pin, version: str) -> tuple[Mapping[str, str], str]:
    """Return name -> checksum of the pinned files, and the licence."""
    if pin.version != version:
        raise SonotraceError(
            f"{request.origin}: pins {pin.version}, but params.yaml asks for {version}; "
            f"run `sonotrace pin {request.data_set}` to pin that instead"
        )
    if not pin.archives:
        raise SonotraceError(f"{request.origin}: its pin names no archives; restore it with git")
    return pin.archives, pin.licence


def _licence(record: Mapping[str, Any]) -> str:
    """Return the identifier of the record's licence, such as `cc-by-4.0`; empty where it states none."""
    metadata = record.get("metadata")
    licence = metadata.get("license") if isinstance(metadata, dict) else None
    if isinstance(licence, dict):
        licence = licence.get("id")
    return licence if isinstance(licence, str) else ""


def _unexpected(version: str, what: str) -> SonotraceError:
    return SonotraceError(
        f"Zenodo {version}: {what} makes no sense; tell the makers of sonotrace if Zenodo has changed"
    )


def _check(archives: Mapping[str, str], version: str) -> None:
    """Refuse names that are no plain file names, or would meet in one file, and checksums that are none."""
    seen = set()
    for name, checksum in archives.items():
        if not _plain(name) or name.casefold() in seen:
            raise SonotraceError(f"Zenodo {version}: {name!r} is no safe file name; download that record by hand")
        if not re.fullmatch("md5:[0-9a-f]{32}", str(checksum)):
            raise _unexpected(version, f"checksum {checksum!r} of {name!r}")
        seen.add(name.casefold())


def _plain(name: str) -> bool:
    """Tell whether a name stays in its folder, on any system, and is none of ours."""
    safe = name.isprintable() and not re.search(r'^$|^\.|[/\\:*?"<>|]|[. ]$', name)
    return safe and len(name.encode()) <= 200 and not name.endswith(PART)


def _clear(kept: Path, archives: Mapping[str, str]) -> None:
    """Remove what a killed pull left, other than files of the record and parts of them."""
    for path in kept.glob("*"):
        if not any(path.name == name or (path.name.startswith(name) and path.suffix == PART) for name in archives):
            remove(path)


def _fetch_file(request: Request, name: str, checksum: str, kept: Path) -> Path:
    """Return the file, in `kept`, after pooch has checked it and, if need be, had it downloaded."""
    import pooch

    pooch.get_logger().setLevel(logging.WARNING)  # it would tell paths of this machine
    record = request.params["record"]
    what = f"Zenodo {_version(record)}: {name}"
    kinds = ZIP_KINDS if _is_zip(name) else ANY_KIND

    def get(url: str, to: str | Path, _: object) -> None:
        # First under its own name, as that is where a later run finds the part of it.
        download(url, kept / name, what, _limits(request), kinds=kinds)
        (kept / name).replace(to)

    url = _address(request, f"/records/{record}/files/{quote(name, safe='')}?download=1")
    try:
        return Path(pooch.retrieve(url, checksum, name, kept, downloader=get))
    except ValueError as error:
        found = re.search(r"but got (\w+)", str(error))
        raise SonotraceError(
            f"{what}: checksum md5:{found[1] if found else '?'} instead of {checksum}; "
            "it was not kept: try again, and if it stays so, ask those who published it"
        ) from None


def _is_zip(name: str) -> bool:
    return name.lower().endswith(".zip")


def _lay_out(files: list[Path], into: Path) -> None:
    zips = [file for file in files if _is_zip(file.name)]
    for file in zips:
        unpack(file, into / file.stem if len(zips) > 1 else into)
    for file in files:
        if file not in zips:
            to = into / file.name
            if to.exists():
                raise SonotraceError(f"{file}: a zip of the same record holds that name too; unpack it by hand")
            shutil.copyfile(file, to)
