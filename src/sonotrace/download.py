"""The one place where the project downloads: whole files, within limits, resumed and tried again.

A URL may be signed or hold a key, so none is ever written: messages name `what` is downloaded and at
most the host, and no error carries another that could hold the URL.

Sources: HTTP semantics, RFC 9110 (10.2.3 Retry-After, 13.1.5 If-Range, 14 range requests).
"""

import json
import logging
import math
import os
import re
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urljoin, urlsplit

import requests
import urllib3

from sonotrace import __version__
from sonotrace.errors import SonotraceError
from sonotrace.outputs import PART, remove, write_json
from sonotrace.progress import bar, say

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

MEGABYTE = 1_000_000
_CHUNK = 1 << 18  # bytes
_SILENCE = 30.0  # seconds without a byte after which a connection counts as lost
_REDIRECTS = 10

_HEADERS = {
    "User-Agent": f"sonotrace/{__version__}",
    "Accept-Encoding": "identity",  # so that lengths and ranges are those of the file
    "Connection": "close",
}

_T = TypeVar("_T")

logging.getLogger("urllib3").setLevel(logging.ERROR)  # below that it writes whole URLs


@dataclass(frozen=True)
class Limits:
    """How large a download may be and how long it may take."""

    megabytes: int
    """Most that a download may weigh, in units of 1,000,000 bytes."""
    minutes: float
    """Most that it may take, retries included; a silent server can add half a minute."""
    attempts: int = 6


class _TryAgain(Exception):  # noqa: N818 - caught here, never seen
    """An attempt failed in a way that the next may not; `after` is the pause that the server asks for."""

    def __init__(self, reason: str, after: float | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.after = after


@dataclass(frozen=True)
class _Errand:
    """One URL to get, and what bounds that."""

    url: str = field(repr=False)
    what: str
    limits: Limits
    kinds: Collection[str]
    session: requests.Session
    deadline: float

    @property
    def host(self) -> str:
        try:
            return urlsplit(self.url).hostname or "the server"
        except ValueError:
            return "the server"

    def left(self) -> float:
        """Return the seconds that are left; raises SonotraceError where none is."""
        left = self.deadline - time.monotonic()
        if left <= 0:
            raise SonotraceError(
                f"{self.what}: not done within {self.limits.minutes:g} minutes, the limit; "
                "run it again (it goes on where the server allows that) or raise max_minutes"
            )
        return left

    def check_size(self, size: int) -> None:
        if size > self.limits.megabytes * MEGABYTE:
            raise SonotraceError(
                f"{self.what}: {_megabytes(size)} MB or more, over the limit of {self.limits.megabytes} MB; "
                "raise max_megabytes if that size is right"
            )


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
    with suppress(ValueError, RecursionError):
        return json.loads(content)
    raise SonotraceError(f"{what}: the answer of {errand.host} is not JSON; try again later")


@contextmanager
def _errand(
    url: str, what: str, limits: Limits, kinds: Collection[str], session: requests.Session | None
) -> Iterator[_Errand]:
    deadline = time.monotonic() + limits.minutes * 60
    if session:
        yield _Errand(url, what, limits, kinds, session, deadline)
        return
    with requests.Session() as own:
        yield _Errand(url, what, limits, kinds, own, deadline)


def _persist(errand: _Errand, wait: Callable[[float], None], attempt: Callable[[], _T]) -> _T:
    """Call `attempt` until it succeeds, with pauses of 2, 4, 8... seconds, or those that the server asks for.

    Errors are raised outside of `except`, so that none carries one that holds the URL.
    """
    what, limits = errand.what, errand.limits
    number = 0
    while True:
        number += 1
        try:
            return attempt()
        except _TryAgain as error:
            trouble: _TryAgain | SonotraceError = error
        except (requests.RequestException, urllib3.exceptions.HTTPError) as error:
            trouble = _judge(error, errand)
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


def _judge(error: Exception, errand: _Errand) -> _TryAgain | SonotraceError:
    """Say without the error's own words, which hold the URL, what is wrong and whether to go on."""
    host = errand.host
    if isinstance(error, ValueError):
        return SonotraceError(f"{errand.what}: its address, or a proxy's, is none; check params.yaml and HTTPS_PROXY")
    if isinstance(error, requests.exceptions.SSLError) and "CERTIFICATE_VERIFY_FAILED" in str(error):
        return SonotraceError(
            f"{errand.what}: the certificate of {host} cannot be verified; "
            "if your network has its own authority, name its file in REQUESTS_CA_BUNDLE"
        )
    if isinstance(error, requests.exceptions.ProxyError):
        return _TryAgain(f"the proxy gives no connection to {host}")
    if isinstance(error, (requests.Timeout, urllib3.exceptions.TimeoutError)):
        return _TryAgain(f"no answer from {host}")
    if isinstance(error, requests.ConnectionError):
        return _TryAgain(f"no connection to {host}")
    return _TryAgain(f"connection to {host} lost")


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


def _attempt(errand: _Errand, part: _Part) -> None:
    """Bring the part to its end, from where it is if the server still has the same version."""
    resume = {"Range": f"bytes={part.size}-", "If-Range": part.version} if part.known() else {}
    with _open(errand, resume) as response:
        _check(errand, response, (200, 206, 416) if resume else (200,))
        if response.status_code == 200:
            total = _length(response)
            errand.check_size(total or 0)
            part.start(_version(response), total)
        else:
            total = part.total
            if not _goes_on(response, part):
                part.drop()
                raise _TryAgain("the file has changed on the server, from the start")
            errand.check_size(total)
        size = part.size
        with _megabyte_bar(errand, total, size) as advance, part.file.open("ab") as file:
            for chunk in _chunks(errand, response):
                size += len(chunk)
                errand.check_size(size)
                file.write(chunk)
                advance(size)
            file.flush()
            os.fsync(file.fileno())
    if total is not None and size != total:  # urllib3 sees a body cut short, but not too short a range
        raise _TryAgain(f"{size} of {total} bytes arrived")


def _read(errand: _Errand) -> bytes:
    """Read a whole body into memory."""
    with _open(errand, {"Accept": "application/json"}) as response:
        _check(errand, response, (200,))
        errand.check_size(_length(response) or 0)
        content = bytearray()
        for chunk in _chunks(errand, response):
            content += chunk
            errand.check_size(len(content))
    return bytes(content)


def _open(errand: _Errand, headers: Mapping[str, str]) -> requests.Response:
    """Ask for the URL, follow redirects, and return the answer, unread."""
    url = errand.url
    for _ in range(_REDIRECTS):
        response = _send(errand, url, headers)
        if not response.is_redirect:
            return response
        response.close()
        url = _redirected(errand, url, response.headers["Location"])
    raise SonotraceError(f"{errand.what}: {errand.host} redirects in a circle; check the address in params.yaml")


def _send(errand: _Errand, url: str, headers: Mapping[str, str]) -> requests.Response:
    """Do one exchange, by way of the session's adapter, as the session would read a redirect's whole body."""
    session = errand.session
    request = session.prepare_request(requests.Request("GET", url, headers={**_HEADERS, **headers}))
    settings: Any = session.merge_environment_settings(url, {}, True, None, None)
    timeout = min(_SILENCE, errand.left())
    try:
        return session.get_adapter(url).send(request, timeout=timeout, **settings)
    except requests.RequestException:
        raise
    except OSError as error:  # so requests says that REQUESTS_CA_BUNDLE names no file
        raise SonotraceError(f"{errand.what}: {error}; mend REQUESTS_CA_BUNDLE") from None


def _redirected(errand: _Errand, url: str, target: str) -> str:
    try:
        new = urljoin(url, target)
        scheme = urlsplit(new).scheme
    except ValueError:
        new = scheme = ""
    if scheme == "https" or (scheme == "http" and urlsplit(url).scheme == "http"):
        return new
    raise SonotraceError(
        f"{errand.what}: {errand.host} redirects to {scheme or 'no address'}, which is not safe; "
        "check the address in params.yaml"
    )


def _check(errand: _Errand, response: requests.Response, statuses: Collection[int]) -> None:
    """Raise what a status calls for that is none of `statuses`, and see to the body's kind with the others."""
    status, what, host = response.status_code, errand.what, errand.host
    if status in statuses:
        if status < 300:
            _check_kind(errand, response)
        return
    if status in {408, 429} or status >= 500:
        raise _TryAgain(f"status {status}", _retry_after(response))
    if status in {401, 403}:
        raise SonotraceError(f"{what}: status {status}, {host} does not let you; check your key and your rights there")
    if status in {404, 410}:
        raise SonotraceError(f"{what}: status {status}, {host} has no such thing; check what params.yaml names")
    raise SonotraceError(f"{what}: status {status} from {host}, of no use here; check what params.yaml names")


def _check_kind(errand: _Errand, response: requests.Response) -> None:
    """Refuse a body of another content type; without one it counts as application/octet-stream (RFC 9110, 8.3)."""
    kind = response.headers.get("Content-Type", "application/octet-stream").split(";")[0].strip().lower()
    if kind == "text/html":
        raise SonotraceError(
            f"{errand.what}: {errand.host} sent a web page instead; log-in pages and proxies do that: "
            "check your access in a browser"
        )
    if kind not in errand.kinds and "*/*" not in errand.kinds:
        raise SonotraceError(
            f"{errand.what}: {errand.host} sent {kind!r} instead of {' or '.join(sorted(errand.kinds))}; "
            "check what params.yaml names"
        )
    coding = response.headers.get("Content-Encoding", "identity").strip().lower()
    if coding not in {"", "identity"}:
        raise SonotraceError(
            f"{errand.what}: {errand.host} sent it encoded as {coding!r}, unasked; "
            "a proxy may do that: use another network"
        )


def _length(response: requests.Response) -> int | None:
    """Return the bytes that the server says will come, or None where it does not say."""
    stated = response.headers.get("Content-Length", "")
    chunked = "Transfer-Encoding" in response.headers
    return int(stated) if re.fullmatch("[0-9]{1,18}", stated) and not chunked else None


def _version(response: requests.Response) -> str:
    """Return what names the version of a file in If-Range: a strong ETag, or else when it was last modified."""
    tag = response.headers.get("ETag", "")
    return tag if tag.startswith('"') else response.headers.get("Last-Modified", "")


def _goes_on(response: requests.Response, part: _Part) -> bool:
    """Tell whether an answer to a range request is the rest of the part, to the end."""
    return (
        response.status_code == 206
        and response.headers.get("Content-Range") == f"bytes {part.size}-{part.total - 1}/{part.total}"
        and _version(response) in {part.version, ""}
    )


def _retry_after(response: requests.Response) -> float | None:
    """Return the seconds that Retry-After asks to wait, given as a number or as a date."""
    stated = response.headers.get("Retry-After", "").strip()
    if re.fullmatch("[0-9]{1,9}", stated):
        return float(stated)
    try:
        return parsedate_to_datetime(stated).timestamp() - time.time()
    except (ValueError, OverflowError):
        return None


def _chunks(errand: _Errand, response: requests.Response) -> Iterator[bytes]:
    """Give the body as it arrives, so that a server that trickles cannot outlast the limit."""
    while chunk := response.raw.read1(_CHUNK, decode_content=False):
        errand.left()
        yield chunk


@contextmanager
def _megabyte_bar(errand: _Errand, total: int | None, size: int) -> Iterator[Callable[[int], None]]:
    """Show a bar in megabytes, and give the function that takes the bytes there are so far."""
    shown = 0
    with bar(f"{errand.what}, MB", _megabytes(total) if total else errand.limits.megabytes) as advance:

        def show(size: int) -> None:
            nonlocal shown
            advance(size // MEGABYTE - shown)
            shown = size // MEGABYTE

        show(size)
        yield show


def _megabytes(size: int) -> int:
    return math.ceil(size / MEGABYTE)
