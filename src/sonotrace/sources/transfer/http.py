"""One exchange over HTTP: a question asked, redirects followed, and the answer held to what is expected.

A URL may be signed or hold a key, so none is ever written: messages name `what` is asked for and at
most the host, and no error carries another that could hold the URL.

Sources: HTTP semantics, RFC 9110 (10.2.3 Retry-After, 13.1.5 If-Range, 14 range requests).
"""

import logging
import math
import re
import time
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import urljoin, urlsplit

import requests
import urllib3

from sonotrace import __version__
from sonotrace.errors import SonotraceError

MEGABYTE = 1_000_000
_CHUNK = 1 << 18  # bytes
_SILENCE = 30.0  # seconds without a byte after which a connection counts as lost
_REDIRECTS = 10
_HEADERS = {
    "User-Agent": f"sonotrace/{__version__}",
    "Accept-Encoding": "identity",  # so that lengths and ranges are those of the file
    "Connection": "close",
}

logging.getLogger("urllib3").setLevel(logging.ERROR)  # below that it writes whole URLs


@dataclass(frozen=True)
class Limits:
    """How large a download may be and how long it may take."""

    megabytes: int
    """Most that a download may weigh, in units of 1,000,000 bytes."""
    minutes: float
    """Most that it may take, retries included; a silent server can add half a minute."""
    attempts: int = 6


class TryAgain(Exception):  # noqa: N818 - caught here, never seen
    """An attempt failed in a way that the next may not; `after` is the pause that the server asks for."""

    def __init__(self, reason: str, after: float | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.after = after


@dataclass(frozen=True)
class Errand:
    """One URL to get, and what bounds that."""

    url: str = field(repr=False)
    what: str
    limits: Limits
    kinds: Collection[str]
    session: requests.Session
    deadline: float

    @property
    def host(self) -> str:
        """Return the host's name, the one part of the URL that may be said."""
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
        """Raise SonotraceError where so many bytes are over the limit."""
        if size > self.limits.megabytes * MEGABYTE:
            raise SonotraceError(
                f"{self.what}: {megabytes(size)} MB or more, over the limit of {self.limits.megabytes} MB; "
                "raise max_megabytes if that size is right"
            )


def open_answer(errand: Errand, headers: Mapping[str, str]) -> requests.Response:
    """Ask for the URL, follow redirects, and return the answer, unread."""
    url = errand.url
    for _ in range(_REDIRECTS):
        response = _send(errand, url, headers)
        if not response.is_redirect:
            return response
        response.close()
        url = _redirected(errand, url, response.headers["Location"])
    raise SonotraceError(f"{errand.what}: {errand.host} redirects in a circle; check the address in params.yaml")


def _send(errand: Errand, url: str, headers: Mapping[str, str]) -> requests.Response:
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


def _redirected(errand: Errand, url: str, target: str) -> str:
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


def check(errand: Errand, response: requests.Response, statuses: Collection[int]) -> None:
    """Raise what a status calls for that is none of `statuses`, and see to the body's kind with the others."""
    status, what, host = response.status_code, errand.what, errand.host
    if status in statuses:
        if status < 300:
            _check_kind(errand, response)
        return
    if status in {408, 429} or status >= 500:
        raise TryAgain(f"status {status}", retry_after(response))
    if status in {401, 403}:
        raise SonotraceError(f"{what}: status {status}, {host} does not let you; check your key and your rights there")
    if status in {404, 410}:
        raise SonotraceError(f"{what}: status {status}, {host} has no such thing; check what params.yaml names")
    raise SonotraceError(f"{what}: status {status} from {host}, of no use here; check what params.yaml names")


def _check_kind(errand: Errand, response: requests.Response) -> None:
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


def length(response: requests.Response) -> int | None:
    """Return the bytes that the server says will come, or None where it does not say."""
    stated = response.headers.get("Content-Length", "")
    chunked = "Transfer-Encoding" in response.headers
    return int(stated) if re.fullmatch("[0-9]{1,18}", stated) and not chunked else None


def version(response: requests.Response) -> str:
    """Return what names the version of a file in If-Range: a strong ETag, or else when it was last modified."""
    tag = response.headers.get("ETag", "")
    return tag if tag.startswith('"') else response.headers.get("Last-Modified", "")


def retry_after(response: requests.Response) -> float | None:
    """Return the seconds that Retry-After asks to wait, given as a number or as a date."""
    stated = response.headers.get("Retry-After", "").strip()
    if re.fullmatch("[0-9]{1,9}", stated):
        return float(stated)
    try:
        return parsedate_to_datetime(stated).timestamp() - time.time()
    except (ValueError, OverflowError):
        return None


def chunks(errand: Errand, response: requests.Response) -> Iterator[bytes]:
    """Give the body as it arrives, so that a server that trickles cannot outlast the limit."""
    while chunk := response.raw.read1(_CHUNK, decode_content=False):
        errand.left()
        yield chunk


def judge(error: Exception, errand: Errand) -> TryAgain | SonotraceError:
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
        return TryAgain(f"the proxy gives no connection to {host}")
    if isinstance(error, (requests.Timeout, urllib3.exceptions.TimeoutError)):
        return TryAgain(f"no answer from {host}")
    if isinstance(error, requests.ConnectionError):
        return TryAgain(f"no connection to {host}")
    return TryAgain(f"connection to {host} lost")


def megabytes(size: int) -> int:
    """Round bytes up to units of 1,000,000."""
    return math.ceil(size / MEGABYTE)
