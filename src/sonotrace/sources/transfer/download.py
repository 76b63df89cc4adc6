"""The one place where the project downloads: whole files, within limits, resumed and tried again."""

import json
import math
import os
import time
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

import requests
import urllib3

from sonotrace.documents import read_json
from sonotrace.errors import SonotraceError
from sonotrace.running.outputs import PART, remove, write_json
from sonotrace.running.progress import bar, say
from sonotrace.sources.transfer.http import (
    MEGABYTE,
    Errand,
    Limits,
    TryAgain,
    check,
    chunks,
    judge,
    length,
    megabytes,
    open_answer,
    version,
)

ZIP_KINDS = frozenset(
    {
        "application/zip",
        "application/x-zip",
        "application/x-zip-compressed",
        "application/octet-stream",
        "binary/octet-stream",
    }
)
"""Content types that servers give to zip files."""
ANY_KIND = frozenset({"*/*"})
"""Every content type but a web page."""
JSON_KINDS = frozenset({"application/json", "text/json"})
JSON_MEGABYTES = 50
"""Most that an answer in JSON may weigh, as it is read into memory."""
_T = TypeVar("_T")


def download(
    url: str,
    to: Path,
    what: str,
    limits: Limits,
    *,
    kinds: Collection[str] = ZIP_KINDS,
    wait: Callable[[float], None] = time.sleep,
    session: requests.Session | None = None,
) -> None:
    """Download `url` to the file `to`, which appears, or is replaced, only when all of it is there.

    `what` names the download in messages, and must hold no secret. `kinds` are the content types
    that are accepted. What arrives lies beside `to` until then (`PART`). An attempt that fails
    goes on from there if the server still has the same version, and so does a later call with the
    same `what`. `wait` pauses for a number of seconds between attempts. `session` is used where
    given; as it also meets the hosts that redirects name, it must hold no secret either.

    A body that ends early is noticed by its Content-Length. HTTP ends a body at that length, so one
    that is stated too short is for the caller to notice, by a checksum or by unpacking.

    Raises SonotraceError, and leaves `to` as it was, where the server refuses, sends something else
    than `kinds` or more than the limit, or does not bring it to an end within time and attempts.
    """
    with _errand(url, what, limits, kinds, session) as errand:
        part = _Part(to, what)
        try:
            to.parent.mkdir(parents=True, exist_ok=True)
            _persist(errand, wait, lambda: _attempt(errand, part))
            part.file.replace(to)
        except OSError as error:
            raise SonotraceError(
                f"{to}: cannot be written ({error.strerror}); check the space left and the rights there"
            ) from None
        finally:
            if not part.known():
                part.drop()


def get_json(
    url: str,
    what: str,
    limits: Limits,
    *,
    wait: Callable[[float], None] = time.sleep,
) -> Any:
    """Ask a web service for JSON, with the same limits, retries and silence about URLs as `download`.

    Raises SonotraceError where the service refuses or answers with anything but JSON.
    """
    limits = replace(limits, megabytes=min(limits.megabytes, JSON_MEGABYTES))
    with _errand(url, what, limits, JSON_KINDS, None) as errand:
        content = _persist(errand, wait, lambda: _read(errand))
    with suppress(ValueError):
        return read_json(content)
    raise SonotraceError(f"{what}: the answer of {errand.host} is not JSON; try again later")


@contextmanager
def _errand(
    url: str, what: str, limits: Limits, kinds: Collection[str], session: requests.Session | None
) -> Iterator[Errand]:
    deadline = time.monotonic() + limits.minutes * 60
    if session:
        yield Errand(url, what, limits, kinds, session, deadline)
        return
    with requests.Session() as own:
        yield Errand(url, what, limits, kinds, own, deadline)


def _persist(errand: Errand, wait: Callable[[float], None], attempt: Callable[[], _T]) -> _T:
    """Call `attempt` until it succeeds, with pauses of 2, 4, 8... seconds, or those that the server asks for.

    Errors are raised outside of `except`, so that none carries one that holds the URL.
    """
    what, limits = errand.what, errand.limits
    number = 0
    while True:
        number += 1
        try:
            return attempt()
        except TryAgain as error:
            trouble: TryAgain | SonotraceError = error
        except (requests.RequestException, urllib3.exceptions.HTTPError) as error:
            trouble = judge(error, errand)
        if isinstance(trouble, SonotraceError):
            raise trouble
        if number >= limits.attempts:
            raise SonotraceError(f"{what}: {trouble.reason}, {number} times over; try again later")
        pause = max(2.0**number, trouble.after or 0)
        if pause > errand.left():
            raise SonotraceError(
                f"{what}: {trouble.reason}, and the next attempt would be beyond the limit of {limits.minutes:g} "
                f"minutes; try again in {math.ceil(pause / 60)} minutes or raise max_minutes"
            )
        say(f"{what}: {trouble.reason}, again in {pause:.0f} s ({number + 1} of {limits.attempts})")
        wait(pause)


class _Part:
    """What has arrived of a file, and of which version, so that a later attempt or run can go on.

    `known` tells whether that is possible; nothing is worth keeping otherwise.
    """

    def __init__(self, to: Path, what: str) -> None:
        self.file = to.with_name(to.name + PART)
        self.note = to.with_name(f"{to.name}.version{PART}")
        self.what = what
        self.version, self.total = "", 0
        with suppress(OSError, ValueError, KeyError, TypeError):
            note = json.loads(self.note.read_text(encoding="utf-8"))
            if note["what"] == what:
                self.version, self.total = str(note["version"]), int(note["bytes"])

    @property
    def size(self) -> int:
        return self.file.stat().st_size if self.file.is_file() else 0

    def known(self) -> bool:
        return bool(self.version) and 0 < self.size < self.total

    def start(self, version: str, total: int | None) -> None:
        """Begin anew, with the version that the server named, if any, and the bytes due, if it said."""
        self.drop()
        self.version, self.total = version, total or 0
        if self.version and self.total:
            write_json({"what": self.what, "version": self.version, "bytes": self.total}, self.note)
        self.file.touch()

    def drop(self) -> None:
        remove(self.note)
        remove(self.file)
        self.version, self.total = "", 0


def _attempt(errand: Errand, part: _Part) -> None:
    """Bring the part to its end, from where it is if the server still has the same version."""
    resume = {"Range": f"bytes={part.size}-", "If-Range": part.version} if part.known() else {}
    with open_answer(errand, resume) as response:
        check(errand, response, (200, 206, 416) if resume else (200,))
        if response.status_code == 200:
            total = length(response)
            errand.check_size(total or 0)
            part.start(version(response), total)
        else:
            total = part.total
            if not _goes_on(response, part):
                part.drop()
                raise TryAgain("the file has changed on the server, from the start")
            errand.check_size(total)
        size = part.size
        with _megabyte_bar(errand, total, size) as advance, part.file.open("ab") as file:
            for chunk in chunks(errand, response):
                size += len(chunk)
                errand.check_size(size)
                file.write(chunk)
                advance(size)
            file.flush()
            os.fsync(file.fileno())
    if total is not None and size != total:  # urllib3 sees a body cut short, but not too short a range
        raise TryAgain(f"{size} of {total} bytes arrived")


def _read(errand: Errand) -> bytes:
    """Read a whole body into memory."""
    with open_answer(errand, {"Accept": "application/json"}) as response:
        check(errand, response, (200,))
        errand.check_size(length(response) or 0)
        content = bytearray()
        for chunk in chunks(errand, response):
            content += chunk
            errand.check_size(len(content))
    return bytes(content)


def _goes_on(response: requests.Response, part: _Part) -> bool:
    """Tell whether an answer to a range request is the rest of the part, to the end."""
    return (
        response.status_code == 206
        and response.headers.get("Content-Range") == f"bytes {part.size}-{part.total - 1}/{part.total}"
        and version(response) in {part.version, ""}
    )


@contextmanager
def _megabyte_bar(errand: Errand, total: int | None, size: int) -> Iterator[Callable[[int], None]]:
    """Show a bar in megabytes, and give the function that takes the bytes there are so far."""
    shown = 0
    with bar(f"{errand.what}, MB", megabytes(total) if total else errand.limits.megabytes) as advance:

        def show(size: int) -> None:
            nonlocal shown
            advance(size // MEGABYTE - shown)
            shown = size // MEGABYTE

        show(size)
        yield show
