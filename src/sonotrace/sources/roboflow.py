"""A version of a project at Roboflow, asked for with Roboflow's own package, fetched as one zip file.

The key comes from the environment variable ROBOFLOW_API_KEY, or from the file that `roboflow auth
login` writes (ROBOFLOW_CONFIG_DIR names that file). Neither it nor the signed address of the zip
file may be seen: the package prints both and puts both in its errors, so it is kept silent, and
errors are made here, from the status alone and with no exception in their context.

Relied on, as of roboflow 1.7.3: `Roboflow(key).workspace(w).project(p).get_version_information()`,
`rfapi.get_version` and `rfapi.get_version_export`, which `roboflow version export` calls too; and
that every request goes through `roboflow.util.http.get` or `.post`.
"""

import io
import json
import os
import re
import time
import warnings
from collections.abc import Callable, Mapping
from contextlib import redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import requests

from sonotrace.documents import read_json, read_yaml
from sonotrace.errors import SonotraceError
from sonotrace.running.outputs import remove
from sonotrace.running.progress import say
from sonotrace.sources import Request, Snapshot
from sonotrace.sources.transfer.archives import unpack
from sonotrace.sources.transfer.download import download
from sonotrace.sources.transfer.http import Limits, retry_after

REMOTE = True

_CONNECT_AND_READ = (10, 60)
"""Time limits of one request, s; the package sets none."""
_ATTEMPTS = 5
"""At one question, with pauses of 1, 2, 4... s."""
_LONGEST_POLL = 10
"""Between two looks at an export in the making, s."""
_KEY = "ROBOFLOW_API_KEY"
_FILE = "ROBOFLOW_CONFIG_DIR"

T = TypeVar("T")
Wait = Callable[[float], None]


def fetch(request: Request, *, wait: Wait = time.sleep) -> Snapshot:
    """Unpack the version that the parameters name into `request.into`.

    A zip file that an earlier run kept serves a pinned snapshot without the network. What a pinned
    snapshot says about itself is what the pin says, so that it does not depend on what was kept.
    Nothing that was kept is lost if this fails.
    """
    words = f"{_version(request)} {request.params['format']}"
    archive = request.keep / f"{words.replace('/', '-').replace(' ', '-')}.zip"
    pin = request.pin
    if pin is None:
        entry = _fetch(request, archive, words, wait)
        before, copies = _stated(entry.get("preprocessing")), _stated(entry.get("augmentation"))
        return Snapshot(request.into, words, _licence(request.into), before, copies)
    if not _unpacked(archive, request.into):
        _fetch(request, archive, words, wait)
    return Snapshot(request.into, words, pin.licence, pin.preprocessing, pin.augmentation)


def _fetch(request: Request, archive: Path, words: str, wait: Wait) -> Mapping[str, Any]:
    """Replace `archive` with a new one, unpack it, and return what Roboflow says about the version."""
    roboflow = _Roboflow(request, wait)
    entry = _entry(request, roboflow.versions())
    link = _link(request, roboflow, wait)
    fresh = archive.with_name(f"new-{archive.name}")
    limits = Limits(request.params["max_megabytes"], minutes=roboflow.left() / 60)
    download(link, fresh, f"Roboflow {words}", limits, wait=wait)
    try:
        unpack(fresh, request.into)
    except SonotraceError:
        remove(fresh)
        raise
    fresh.replace(archive)
    return entry


def newest(request: Request, *, wait: Wait = time.sleep) -> tuple[str, str]:
    """Return the version that the parameters name and the project's newest, as `workspace/project/2`."""
    current = _version(request)
    versions = _Roboflow(request, wait).versions()
    if not versions:
        raise SonotraceError(f"Roboflow: {_project(request)} has no version; make one on its page, under Versions")
    return current, f"{_project(request)}/{max(versions)}"


def _project(request: Request) -> str:
    return f"{request.params['workspace']}/{request.params['project']}"


def _version(request: Request) -> str:
    return f"{_project(request)}/{request.params['version']}"


def _setting(request: Request, key: str) -> str:
    return f"params.yaml: pull.{request.data_set}.roboflow.{key}"


def _unpacked(archive: Path, into: Path) -> bool:
    """Unpack a kept zip file; False where there is none, or a damaged one."""
    if not archive.is_file():
        return False
    try:
        unpack(archive, into)
    except SonotraceError:
        say(f"{archive} is damaged; it is fetched anew")
        return False
    return True


def _entry(request: Request, versions: Mapping[int, Mapping[str, Any]]) -> Mapping[str, Any]:
    wanted = request.params["version"]
    if wanted not in versions:
        known = ", ".join(map(str, sorted(versions))) or "none"
        raise SonotraceError(
            f"{_setting(request, 'version')}: {wanted} is no version of {_project(request)}; it has: {known}"
        )
    return versions[wanted]


def _link(request: Request, roboflow: "_Roboflow", wait: Wait) -> str:
    """Return the zip file's address, once Roboflow has made it."""
    pause, said = 1.0, ""
    while True:
        state = roboflow.export()
        if isinstance(state, str):
            return state
        if state.words != said:
            said = state.words
            say(f"Roboflow is making {said}")
        if pause > roboflow.left():
            raise SonotraceError(
                f"{_setting(request, 'max_minutes')}: after {request.params['max_minutes']} minutes Roboflow is still "
                f"making {said}; pull again later, or raise it"
            )
        wait(pause)
        pause = min(2 * pause, _LONGEST_POLL)


@dataclass(frozen=True)
class _Making:
    """What Roboflow is still making, such as `the export, 40 %`."""

    words: str


@dataclass
class _NoAnswerError(Exception):
    """A request without a usable answer; holds neither address nor key."""

    reason: str
    remedy: str = "pull again later"
    status: int = 0
    passing: bool = False
    """Whether another attempt may fare better."""
    after: float = 0
    """How long the server asks to wait before it, s."""


class _Roboflow:
    """What this module asks of the `roboflow` package; errors are SonotraceErrors."""

    def __init__(self, request: Request, wait: Wait) -> None:
        self._request = request
        self._wait = wait
        self._deadline: float = time.monotonic() + 60 * request.params["max_minutes"]
        self._key = _read_key(request.params["workspace"])

    def left(self) -> float:
        """Return the seconds left of `max_minutes`, not below 0."""
        return max(self._deadline - time.monotonic(), 0)

    def versions(self) -> dict[int, dict[str, Any]]:
        """Return number -> entry of the project's versions, its keys sorted throughout."""
        from roboflow import Roboflow

        workspace, project = self._request.params["workspace"], self._request.params["project"]
        roboflow = self._ask("any workspace", "workspace", lambda: Roboflow(api_key=self._key))
        found = self._ask(f"workspace {workspace}", "workspace", lambda: roboflow.workspace(workspace))
        head = self._ask(f"project {project}", "project", lambda: found.project(project))

        def entries() -> dict[int, dict[str, Any]]:
            stated = read_json(json.dumps(head.get_version_information(), sort_keys=True))
            return {int(entry["id"].rpartition("/")[2]): entry for entry in stated}

        return self._ask(f"project {project}", "project", entries)

    def export(self) -> str | _Making:
        """Return the address of the export's zip file, or what Roboflow is making; that starts it."""
        from roboflow.adapters import rfapi

        place = (self._key, *_version(self._request).split("/"))
        form = self._request.params["format"]

        def look() -> str | _Making:
            version = rfapi.get_version(*place, nocache=True)["version"]
            if version.get("generating") or not version.get("images"):
                return _Making(f"the version, {100 * float(version.get('progress') or 0):.0f} %")
            export = rfapi.get_version_export(*place, form)
            if export.get("ready") is False:
                return _Making(f"the export, {100 * float(export.get('progress') or 0):.0f} %")
            return str(export["export"]["link"])

        return self._ask(f"{form} export of version {self._request.params['version']}", "format", look)

    def _ask(self, what: str, setting: str, question: Callable[[], T]) -> T:
        """Put a question, again where that may help; on refusal name `what` and the parameter `setting`."""
        number = 0
        while True:
            answer = _answer(question)
            if not isinstance(answer, _NoAnswerError):
                return answer
            number += 1
            pause = max(2.0 ** (number - 1), answer.after)
            if not answer.passing or number == _ATTEMPTS or pause > self.left():
                raise SonotraceError(self._told(answer, what, setting))
            say(f"Roboflow: {answer.reason}; again in {pause:.0f} s")
            self._wait(pause)

    def _told(self, answer: _NoAnswerError, what: str, setting: str) -> str:
        place = _setting(self._request, setting)
        if answer.status in (401, 403):
            return f"Roboflow: the key may not read {what} ({answer.status}); {_how_to_give_a_key()}, or mend {place}"
        if answer.status == 404:
            return f"{place}: Roboflow knows no {what} (404); take the name from the address of the project's page"
        if 400 <= answer.status < 500 and answer.status != 429:
            return f"{place}: Roboflow refuses the {what} ({answer.status}); try that export on the project's page"
        return f"Roboflow: {answer.reason}; {answer.remedy}"


def _answer(question: Callable[[], T]) -> T | _NoAnswerError:
    """Put one question to the package, with its prints hidden and its requests watched."""
    from roboflow.util import http

    kept = http.get, http.post
    http.get, http.post = (_watched(send) for send in kept)
    try:
        with redirect_stdout(io.StringIO()):
            return question()
    except _NoAnswerError as answer:
        return answer
    except Exception as error:  # noqa: BLE001 - whatever the package raises may hold the key
        return _NoAnswerError(
            f"an answer that is not its own ({type(error).__name__})", "check for a proxy or a login page in between"
        )
    finally:
        http.get, http.post = kept


def _watched(send: Callable[..., requests.Response]) -> Callable[..., requests.Response]:
    """Give a request time limits, and raise _NoAnswerError unless it succeeds."""

    def sent(url: str, **options: Any) -> requests.Response:
        try:
            response = send(url, **{"timeout": _CONNECT_AND_READ} | options)
        except requests.RequestException as error:
            failure = _failure(error)
        else:
            if response.ok:
                return response
            failure = _refusal(response)
        raise failure

    return sent


def _failure(error: requests.RequestException) -> _NoAnswerError:
    if isinstance(error, requests.exceptions.SSLError):
        return _NoAnswerError(
            "no secure connection", "set REQUESTS_CA_BUNDLE to the file of your network's certificates"
        )
    if isinstance(error, requests.exceptions.ProxyError):
        return _NoAnswerError("the proxy does not let us through", "check HTTPS_PROXY")
    if isinstance(error, requests.ConnectionError | requests.Timeout | requests.exceptions.ChunkedEncodingError):
        return _NoAnswerError("cannot be reached", "check the network, and HTTPS_PROXY behind a proxy", passing=True)
    return _NoAnswerError("cannot be asked", "check API_URL in the environment")


def _refusal(response: requests.Response) -> _NoAnswerError:
    status = response.status_code
    if status != 429:
        return _NoAnswerError(f"its server fails ({status})", status=status, passing=status >= 500)
    after = max(retry_after(response) or 0, 0)
    remedy = f"pull again in {after:.0f} s" if after else "pull again later"
    return _NoAnswerError(f"it asks for fewer requests ({status})", remedy, status, passing=True, after=after)


def _read_key(workspace: str) -> str:
    """Import the package, which reads its configuration file then, and return the key."""
    # Importing it loads a .env from above site-packages into the environment, and replaces how warnings look.
    os.environ["PYTHON_DOTENV_DISABLED"] = "1"
    shown = warnings.formatwarning
    file = os.environ.get(_FILE, "~/.config/roboflow/config.json")
    problem = f"Roboflow: no key; {_how_to_give_a_key()}"
    try:
        import roboflow.core.project  # noqa: F401
        from roboflow.config import load_roboflow_api_key

        key = str(load_roboflow_api_key(workspace) or "").strip()
    except ImportError:
        raise
    except Exception as error:  # noqa: BLE001 - a JSON error holds the whole file
        key = ""
        problem = f"{file}: no usable Roboflow configuration ({type(error).__name__}); {_how_to_give_a_key()}"
    finally:
        warnings.formatwarning = shown
    if not key:
        raise SonotraceError(problem)
    return key


def _how_to_give_a_key() -> str:
    return f"set {_KEY} to the private key from app.roboflow.com (Settings, API Keys), or run `roboflow auth login`"


def _stated(value: Any) -> dict[str, Any]:
    """Return what a version states; empty where it states nothing."""
    return value if isinstance(value, dict) else {}


def _licence(folder: Path) -> str:
    """Read the licence from an export's `data.yaml`, else from its read-me; empty where neither says."""
    try:
        card = read_yaml((folder / "data.yaml").read_text(encoding="utf-8"))
        return str(card["roboflow"]["license"] or "")
    except (OSError, ValueError, KeyError, TypeError):
        pass
    for notes in sorted(path for path in folder.glob("README*.txt") if path.is_file()):
        found = re.search(r"^License: *(.+)$", notes.read_text(encoding="utf-8", errors="replace"), re.MULTILINE)
        if found:
            return found[1].strip()
    return ""
