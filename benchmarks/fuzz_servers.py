"""Targets of `fuzz.py`: requests to the two services, and answers of foreign servers."""

import asyncio
import contextlib
import json
import os
import re
import socket
import threading
from datetime import date
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from fuzz_inputs import CARD, DEEP, PNG, SHA, TABLE, Made, emptied, encoded, joined, parted, reported, target, zipped


@target
def serve(at: Path) -> Made:
    """Requests to `sonotrace serve`, handed to the application in this process."""
    app = _served(at)
    image = b"POST /predict?name=a.png HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%s"
    seeds = [image % (len(one), one) for one in (PNG, encoded("TIFF"), b"\x89PNG")]
    seeds += [
        f"GET {path} HTTP/1.1\r\nAuthorization: Bearer t\r\n\r\n".encode() for path in ("/", "/health", "/metrics")
    ]
    return lambda content: _ask(app, content), [*seeds, b"POST /predict HTTP/1.1\r\nContent-Length: 9e9\r\n\r\n"]


@target
def wire(at: Path) -> Made:
    """Any bytes, sent to `sonotrace serve` on the loopback address."""
    import uvicorn

    server = uvicorn.Server(uvicorn.Config(_served(at / "models"), log_level="critical", timeout_keep_alive=1))
    listening = socket.create_server(("127.0.0.1", 0))
    threading.Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True).start()
    while not server.started:
        threading.Event().wait(0.05)

    def said(content: bytes) -> bytes:
        answer = b""
        with socket.create_connection(listening.getsockname()) as client, contextlib.suppress(OSError):
            client.sendall(content)
            client.settimeout(0.05)  # a server that waits for more says nothing, and one whose client left neither
            while part := client.recv(1 << 16):
                answer += part
        return answer

    def run(content: bytes) -> None:
        answer = said(content)
        assert re.match(rb"$|HTTP/1\.1 [1234]\d\d ", answer), answer[:200]
        if content.endswith(b"0"):
            assert any(b"200 OK" in said(b"GET /health HTTP/1.0\r\n\r\n") for _ in range(100)), "it no longer answers"

    chunked = b"POST /predict HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"
    upgrade = b"GET / HTTP/1.1\r\nUpgrade: websocket\r\nExpect: 100-continue\r\n\r\n"
    return run, [*serve(at / "seeds")[1], chunked, upgrade]


def _served(at: Path) -> Any:
    import tiny_models

    from sonotrace.predict import command
    from sonotrace.predict.search import Search
    from sonotrace.predict.trust import Trust
    from sonotrace.serve.service import Limits, service

    tiny_models.write(at)
    trusted, models = command.load_models(command.choose(at, None, None), Trust(at, allow_unknown=True))
    return service(models, trusted, Search(in_all_planes=True), Limits(megabytes=1, threads=1))


_LOOP = asyncio.new_event_loop()


def _ask(app: Any, content: bytes) -> tuple[int, bytes]:
    """Send a request to an application in this process; a refusal must say why in one line."""
    head, _, body = content.partition(b"\r\n\r\n")
    line, *headers = head.split(b"\r\n")
    method, address, *_ = [*line.split(b" "), b"/", b"/"]
    path, _, query = address.partition(b"?")
    messages = [
        {"type": "http.request", "body": part, "more_body": more}
        for part, more in ((body[:9], True), (body[9:], False))
    ]
    sent: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        return messages.pop(0) if messages else {"type": "http.disconnect"}

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    named = [one.partition(b":")[::2] for one in headers]
    scope = {
        "type": "http",
        "http_version": "1.1",
        "method": method.decode("latin-1").upper(),
        "scheme": "http",
        "path": unquote(path.decode("latin-1")),
        "raw_path": path,
        "query_string": query,
        "root_path": "",
        "headers": [(name.strip().lower(), value.strip()) for name, value in named],
        "client": ("127.0.0.1", 1),
        "server": ("127.0.0.1", 80),
    }
    _LOOP.run_until_complete(app(scope, receive, send))
    answer = b"".join(message.get("body", b"") for message in sent[1:])
    assert sent[0]["status"] < 500, f"{sent[0]['status']}: {answer[:300]!r}"
    if sent[0]["status"] == 422:
        detail = json.loads(answer)["detail"]
        assert isinstance(detail, str), f"no text: {detail!r}"
        assert detail.isprintable(), f"no printable line: {detail!r}"
    return sent[0]["status"], answer


@target
def review(at: Path) -> Made:
    """Requests to `sonotrace review`; then its page must still be there, and a decision be read as it was written."""
    from sonotrace import kinds
    from sonotrace.labels.corrections import COLUMNS, Corrections
    from sonotrace.review.cases import Case
    from sonotrace.review.service import service

    (at / "a.png").write_bytes(PNG)
    case = Case("a", SHA, "a.png", "train", "brain", [])
    apps = [
        (kind, service("it", kind, [case], at, "A", table=at / "t.csv", secret="s", today=lambda: date(2026, 1, 1)))  # noqa: S106
        for kind in kinds.KINDS.values()
    ]
    put = b"PUT /s/decision HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n\r\n"
    decisions = [{"new": "femur", "note": "a, b"}, {"new": "left out"}, {"new": "hip", "note": "\n"}]
    seeds = [put + json.dumps({"sha256": SHA} | one).encode() for one in decisions]
    seeds += [put + b'{"sha256": NaN, "new": "\\ud800"}']
    asked = (f"DELETE /s/decision/{SHA}", f"GET /s/image/{SHA}")
    seeds += [f"{line} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode() for line in asked]

    def run(content: bytes) -> None:
        (at / "t.csv").write_text(",".join(COLUMNS) + "\n")
        kind, app = apps[len(content) % 3]
        status, answer = _ask(app, content)
        assert _ask(app, b"GET /s/cases HTTP/1.1\r\nHost: localhost\r\n\r\n")[0] == 200, "the page is gone"
        if status == 200 and content.startswith(b"PUT"):
            row = Corrections("it", kind, at / "t.csv").about(SHA)
            made = json.loads(answer)
            assert row, "nothing was written"
            assert (row.new, row.note) == (made["new"], made["note"]), "a decision is read otherwise than written"

    return run, seeds + [seed + b" " for seed in seeds] + [seed + b"  " for seed in seeds]


@target
def download(at: Path) -> Made:
    """What a foreign server answers, byte by byte; it closes after each answer, and no other host is reachable."""
    from sonotrace.sources.transfer.download import download as fetch
    from sonotrace.sources.transfer.download import get_json
    from sonotrace.sources.transfer.http import Limits

    replies: list[bytes] = []
    listening = socket.create_server(("127.0.0.1", 0))

    def answer() -> None:
        while True:
            client, _ = listening.accept()
            with client, contextlib.suppress(OSError):
                client.settimeout(5)
                client.recv(1 << 16)
                client.sendall(replies.pop(0) if replies else b"")

    threading.Thread(target=answer, daemon=True).start()
    known, port = socket.getaddrinfo, listening.getsockname()[1]

    def here_only(host: Any, at_port: Any, *rest: Any, **more: Any) -> Any:
        if (host, at_port) != ("127.0.0.1", port):
            raise socket.gaierror(-2, "Name or service not known")
        return known(host, at_port, *rest, **more)

    socket.getaddrinfo = here_only  # type: ignore[assignment]
    os.environ["NO_PROXY"] = "*"
    start = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
    seeds = [
        joined({"1": start + b'Content-Length: 9\r\n\r\n{"id": 1}'}),
        joined({"1": start + b"Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n"}),
        joined({"1": b"HTTP/1.1 429 x\r\nRetry-After: Fri, 31 Dec 1999 23:59:59 GMT\r\n\r\n", "2": start + b"\r\n{}"}),
        joined({"1": f"HTTP/1.1 302 x\r\nLocation: http://127.0.0.1:{port}/a\r\n\r\n".encode(), "2": start + b"\r\n1"}),
        joined({"1": start + b'ETag: "v"\r\nContent-Length: 9\r\n\r\n1'})
        + joined({"2": b"HTTP/1.1 206 x\r\nContent-Range: bytes 1-8/9\r\n\r\n2"}),
        joined({"1": start + b"Content-Encoding: gzip\r\nSet-Cookie: a=b; expires=x\r\n\r\n"}),
    ]

    def run(content: bytes) -> None:
        replies[:] = [part for _, part in parted(content)]
        url, limits = f"http://127.0.0.1:{port}/x", Limits(1, 0.1, attempts=3)
        if len(content) % 2:
            get_json(url, "it", limits, wait=lambda _: None)
        else:
            fetch(url, at / "it.zip", "it", limits, kinds={"*/*"}, wait=lambda _: None)

    return run, seeds + [seed + b" " for seed in seeds]


@target
def zenodo(at: Path) -> Made:
    """Zenodo's description of a record, and the pin made from it."""
    from sonotrace.documents import read_json
    from sonotrace.intake import pins
    from sonotrace.sources import Request
    from sonotrace.sources import zenodo as source

    file = {"key": "a.zip", "checksum": "md5:" + "0" * 32}
    record = {"id": 7, "files": [file], "metadata": {"license": {"id": "cc0"}}}
    seeds = [json.dumps(record).encode(), json.dumps(record | {"metadata": {"license": "a\nb"}}).encode(), DEEP]

    def run(content: bytes) -> None:
        try:
            said = read_json(content)
        except ValueError:
            return
        (at / "a.zip").write_bytes(zipped({"a.csv": TABLE}))
        source.get_json = lambda *_, **__: said  # type: ignore[attr-defined]
        source._fetch_file = lambda *_: at / "a.zip"  # noqa: SLF001
        wanted = {"record": 7, "address": "http://127.0.0.1", "max_megabytes": 1, "max_minutes": 1}
        request = Request("it", "planes", at / "pin", wanted, emptied(at / "into"), at / "keep", None, 1, print)
        with reported():
            source.newest(request)
        found = source.fetch(request)
        pins.write(at / "pin", found, pins.contents(found.folder, 1))
        pin = pins.read(at / "pin")
        assert pin
        assert pin.licence == found.licence

    return run, seeds


@target
def roboflow(at: Path) -> Made:
    """What Roboflow's service answers, one JSON after another, read through its own package."""
    import requests

    os.environ |= {"ROBOFLOW_API_KEY": "k", "PYTHON_DOTENV_DISABLED": "1", "API_URL": "http://127.0.0.1:9"}
    from roboflow.util import http

    from sonotrace.intake import pins
    from sonotrace.sources import Request
    from sonotrace.sources import roboflow as source

    entry = {"id": "w/p/2", "name": "v", "preprocessing": {"resize": {"width": 1}}, "augmentation": {}}
    project = {"id": "w/p", "name": "p", "type": "object-detection", "created": 1, "updated": 1, "images": 1}
    project |= {"splits": {}, "public": False, "unannotated": 0, "annotation": "x", "classes": {}, "colors": {}}
    answers: list[Any] = [
        {"workspace": "w", "welcome": "x"},
        {"workspace": {"name": "w", "url": "w", "members": 1, "projects": [project]}},
        {"workspace": "w", "project": project, "versions": [entry]},
        {"workspace": "w", "project": project, "versions": [entry]},
        {"version": entry | {"generating": False, "images": 1, "exports": ["yolov8"]}},
        {"export": {"link": "http://127.0.0.1:9/x.zip"}, "ready": True},
    ]
    good = b"".join(joined({"200": json.dumps(one).encode()}) for one in answers)
    seeds = [good, joined({"429": b"Retry-After: 1", "500": b"x"}) + good, good.replace(b'"v"', b'"\\ud800"')]
    wanted = {"workspace": "w", "project": "p", "version": 2, "format": "yolov8", "max_megabytes": 1, "max_minutes": 1}

    def arrive(_: str, to: Path, *_more: Any, **__: Any) -> None:
        to.parent.mkdir(exist_ok=True)
        to.write_bytes(zipped({"data.yaml": CARD}))

    source.download = arrive  # type: ignore[attr-defined,assignment]

    def run(content: bytes) -> None:
        parts = parted(content)

        def send(*_: Any, **__: Any) -> requests.Response:
            status, body = parts.pop(0) if parts else ("404", b"")
            made = requests.Response()
            made.status_code = int(status) if re.fullmatch("[1-5][0-9]{2}", status) else 200
            made._content = body  # noqa: SLF001
            made.headers["Retry-After"] = body[:40].decode("latin-1").partition(": ")[2]
            return made

        http.get = http.post = send
        request = Request("it", "structures", at / "pin", wanted, emptied(at / "into"), at / "keep", None, 1, print)
        found = source.fetch(request, wait=lambda _: None)
        pins.write(at / "pin", found, pins.contents(found.folder, 1))
        pin = pins.read(at / "pin")
        assert pin
        assert pin.preprocessing == found.preprocessing

    return run, seeds
