"""A web server on the loopback address that answers as a test tells it to."""

import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Self
from urllib.parse import parse_qs, unquote, urlsplit

ZIP = "application/zip"


@dataclass(frozen=True)
class Asked:
    """A request as it came in; names of headers in lower case."""

    method: str
    path: str
    query: Mapping[str, list[str]]
    headers: Mapping[str, str]
    body: bytes = b""


@dataclass(frozen=True)
class Reply:
    """What to answer, truthfully or not."""

    body: bytes = b""
    status: int = 200
    kind: str | None = ZIP
    """Content type; None: none is sent."""
    headers: Mapping[str, str] = field(default_factory=dict)
    length: int | None = None
    """What Content-Length says; None: the truth."""
    unsized: bool = False
    """Send no Content-Length; the body ends with the connection."""
    chunked: bool = False
    """Send the body in chunks, without Content-Length."""
    cut: int | None = None
    """Close the connection after so many bytes of the body."""
    trickle: float = 0.0
    """Seconds to pause after each byte."""


def page(text: str = "<html>Please log in</html>", status: int = 200) -> Reply:
    """Return a web page."""
    return Reply(text.encode(), status, "text/html; charset=utf-8")


def ranged(content: bytes, tag: str | None = '"v1"', kind: str = ZIP) -> Callable[[Asked], Reply]:
    """Return an answerer that serves `content` as good servers do: with Range, and If-Range by `tag`."""

    def answer(asked: Asked) -> Reply:
        headers = {"ETag": tag, "Accept-Ranges": "bytes"} if tag else {}
        wanted = asked.headers.get("range")
        if not wanted or asked.headers.get("if-range", tag) != tag:
            return Reply(content, kind=kind, headers=headers)
        start = int(wanted.removeprefix("bytes=").removesuffix("-"))
        if start >= len(content):
            return Reply(b"", 416, kind, {**headers, "Content-Range": f"bytes */{len(content)}"})
        span = f"bytes {start}-{len(content) - 1}/{len(content)}"
        return Reply(content[start:], 206, kind, {**headers, "Content-Range": span})

    return answer


class Server:
    """Answers each path with its replies in turn, the last one ever after; other paths get 404.

    A reply may be a function of the request. `asked` holds the requests in their order. Use it in a
    `with` block, at the end of which the port is closed. With `certificate`, a PEM file of a key and
    its certificate for 127.0.0.1, it speaks https.
    """

    def __init__(self, certificate: Path | None = None) -> None:
        self.asked: list[Asked] = []
        self._script: dict[str, list[Reply | Callable[[Asked], Reply]]] = {}
        self._lock = threading.Lock()
        self._http = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._http.daemon_threads = True
        self._http.block_on_close = False
        if certificate:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate)
            self._http.socket = context.wrap_socket(self._http.socket, server_side=True)
        scheme = "https" if certificate else "http"
        self.url = f"{scheme}://127.0.0.1:{self._http.server_port}"
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.01,), daemon=True)

    def on(self, path: str, *replies: Reply | Callable[[Asked], Reply]) -> str:
        """Set the replies for a path (unquoted, without query), and return its URL."""
        with self._lock:
            self._script[path] = list(replies)
        return self.url + path

    def paths(self) -> list[str]:
        """Return the paths asked for, in their order."""
        return [asked.path for asked in self.asked]

    def answer(self, asked: Asked) -> Reply:
        with self._lock:
            self.asked.append(asked)
            replies = self._script.get(asked.path, [Reply(b"not here", 404, "text/plain")])
            reply = replies.pop(0) if len(replies) > 1 else replies[0]
        return reply(asked) if callable(reply) else reply

    def stop(self) -> None:
        """Close the port; asking again gets no connection."""
        if self._thread.is_alive():
            self._http.shutdown()
            self._thread.join()
        self._http.server_close()

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()


def _handler(server: Server) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            self._do()

        def do_POST(self) -> None:
            self._do()

        def _do(self) -> None:
            parts = urlsplit(self.path)
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            headers = {name.lower(): value for name, value in self.headers.items()}
            asked = Asked(self.command, unquote(parts.path), parse_qs(parts.query), headers, body)
            self.close_connection = True
            with suppress(OSError):  # whoever asked may have gone
                self._send(server.answer(asked))

        def _send(self, reply: Reply) -> None:
            self.send_response(reply.status)
            for name, value in reply.headers.items():
                self.send_header(name, value)
            if reply.kind is not None:
                self.send_header("Content-Type", reply.kind)
            if reply.chunked:
                self.send_header("Transfer-Encoding", "chunked")
            elif not reply.unsized:
                self.send_header("Content-Length", str(len(reply.body) if reply.length is None else reply.length))
            self.send_header("Connection", "close")
            self.end_headers()
            for piece in _pieces(reply):
                self.wfile.write(b"%x\r\n%b\r\n" % (len(piece), piece) if reply.chunked else piece)
                self.wfile.flush()
                time.sleep(reply.trickle)
            if reply.chunked and reply.cut is None:
                self.wfile.write(b"0\r\n\r\n")

        def log_message(self, *_: object) -> None:
            pass

    return Handler


def _pieces(reply: Reply) -> Iterable[bytes]:
    body = reply.body if reply.cut is None else reply.body[: reply.cut]
    step = 1 if reply.trickle else 1 << 14
    return (body[at : at + step] for at in range(0, len(body), step))


def free_port() -> int:
    """Return a port of the loopback address that nobody listens on."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
        return port
