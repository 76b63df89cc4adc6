"""The service: images in, what the models say of them out. Once it has answered, it keeps no image anywhere.

An image is the whole body of a request, so that it is never written to a temporary file, as forms with files are.
"""

import asyncio
import secrets
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.resources import files
from typing import Annotated, Any

from fastapi import Depends, FastAPI, Query, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import HTMLResponse, JSONResponse, Response
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from pydantic import BaseModel
from starlette.requests import ClientDisconnect

from sonotrace import __version__
from sonotrace.errors import SonotraceError, one_line
from sonotrace.lineage.known import TrustedModel
from sonotrace.predict.command import hashes_of
from sonotrace.predict.prediction import BATCH, Models, Prediction
from sonotrace.predict.search import Search
from sonotrace.predict.sources import Source, views

UNREADABLE, TOO_LARGE, BUSY, TOO_SLOW = 422, 413, 503, 504
_DIGITS = 18
"""Most digits of a stated length; Python refuses to convert thousands of them."""
CONTENT = {
    "requestBody": {
        "required": True,
        "content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}},
    }
}


@dataclass(frozen=True)
class Limits:
    """What one request, and all together, may ask for."""

    megabytes: int = 100
    """Of one image or clip."""
    seconds: float = 60
    """From the last byte of an image to the answer."""
    waiting: int = 100
    """Images that are arriving or have no answer yet; more are turned away."""
    threads: int = 2
    """Images looked at at once."""


class Problem(BaseModel):
    """Why there is no answer."""

    detail: str


class FoundStructure(BaseModel):
    """One structure; the box is x0, y0, x1, y1 in px of the image, or of a DICOM's full frame."""

    structure: str
    confidence: float
    box: list[float]


class Answer(BaseModel):
    """What the models say of one image, or of one frame of a DICOM file."""

    frame: int | None
    region: tuple[int, int, int, int] | None
    plane: str | None
    uncertain: bool
    reason: str | None
    probabilities: dict[str, float]
    scope: float | None
    structures: list[FoundStructure]
    structures_searched: bool
    boxes_dropped: int


class Answers(BaseModel):
    """What the models say, and which models they are."""

    images: list[Answer]
    models: dict[str, str]
    """Kind -> sha256 of the model."""


class Health(BaseModel):
    """That the service works, and with which models."""

    status: str
    version: str
    models: dict[str, str]


def service(
    models: Models, trusted: Sequence[TrustedModel], search: Search, limits: Limits, token: str | None = None
) -> FastAPI:
    """Return the application; with a `token`, only requests that carry it are answered."""
    hashes = hashes_of(models, trusted)
    counters = _Counters()
    desk = _Desk(models, search, limits, counters)

    app = FastAPI(title="sonotrace", version=__version__, docs_url=None, redoc_url=None, redirect_slashes=False)
    bearer = HTTPBearer(auto_error=False)

    async def allowed(given: Annotated[HTTPAuthorizationCredentials | None, Depends(bearer)]) -> None:
        if given is None or not secrets.compare_digest(given.credentials.encode(), str(token).encode()):
            raise _Refused(401, "give the token that the service was started with (Authorization: Bearer TOKEN)")

    guarded = [Depends(allowed)] if token else []
    problems: dict[int | str, dict[str, Any]] = {
        status: {"model": Problem}
        for status in (400, *([401] if token else []), 408, TOO_LARGE, UNREADABLE, BUSY, TOO_SLOW)
    }

    @app.get("/", response_class=HTMLResponse, include_in_schema=False)
    async def page() -> str:
        return files("sonotrace.serve").joinpath("page.html").read_text(encoding="utf-8")

    @app.get("/health")
    async def health() -> Health:
        """Say that the service works, and with which models."""
        return Health(status="ok", version=__version__, models=hashes)

    @app.get("/metrics", response_class=Response, include_in_schema=False, dependencies=guarded)
    async def metrics() -> Response:
        return Response(generate_latest(counters.registry), media_type="text/plain; version=0.0.4")

    @app.post("/predict", responses=problems, openapi_extra=CONTENT, dependencies=guarded)
    async def predict(
        request: Request,
        name: Annotated[str, Query(max_length=255, description="Its file name, for messages.")] = "image",
    ) -> Answers:
        """Say what the models say of an image: the body is a PNG, JPEG, TIFF, BMP or DICOM file."""
        with desk.place():
            try:
                async with asyncio.timeout(limits.seconds):
                    content = await _body(request, limits.megabytes)
            except ClientDisconnect:
                raise _Refused(400, "the image was not sent to its end") from None
            except TimeoutError:
                raise _Refused(408, f"the image did not arrive within {limits.seconds:g} s; send it again") from None
            said = await desk.ask(name, content)
        return Answers(images=[_answer(one) for one in said], models=hashes)

    @app.exception_handler(_Refused)
    async def refused(_: Request, problem: _Refused) -> JSONResponse:
        counters.requests.labels(str(problem.status)).inc()
        headers = {"Retry-After": "1"} if problem.status == BUSY else {}
        headers |= {"WWW-Authenticate": "Bearer"} if problem.status == 401 else {}
        return JSONResponse({"detail": problem.detail}, problem.status, headers)

    @app.exception_handler(RequestValidationError)
    async def invalid(_: Request, problem: RequestValidationError) -> JSONResponse:
        first = problem.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        return JSONResponse({"detail": one_line(f"{where}: {first['msg']}")}, UNREADABLE)

    @app.middleware("http")
    async def headed(request: Request, go_on: Callable[[Request], Awaitable[Response]]) -> Response:
        answer = await go_on(request)
        answer.headers["Cache-Control"] = "no-store"
        answer.headers["X-Content-Type-Options"] = "nosniff"
        answer.headers["Content-Security-Policy"] = (
            "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; connect-src 'self'"
        )
        return answer

    return app


class _Refused(Exception):  # noqa: N818 - an answer, not an error of ours
    def __init__(self, status: int, detail: str) -> None:
        super().__init__(detail)
        self.status, self.detail = status, detail


class _Counters:
    """What /metrics shows; a registry of their own, so that two services in a process do not mix."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.requests = Counter(
            "sonotrace_requests", "Images asked about, by status.", ["status"], registry=self.registry
        )
        self.planes = Counter("sonotrace_answers", "Images answered, by plane.", ["plane"], registry=self.registry)
        self.seconds = Histogram("sonotrace_seconds", "From the whole image to the answer.", registry=self.registry)
        self.waiting = Gauge("sonotrace_waiting", "Images without an answer yet.", registry=self.registry)


class _Desk:
    """Where images wait for one of a few threads, in the order in which they came."""

    def __init__(self, models: Models, search: Search, limits: Limits, counters: _Counters) -> None:
        self._models, self._search, self._limits, self._counters = models, search, limits, counters
        self._waiting = 0
        self._pool = ThreadPoolExecutor(limits.threads)

    @contextmanager
    def place(self) -> Iterator[None]:
        """Count an image from its first byte to its answer; raises _Refused where too many are there already."""
        if self._waiting >= self._limits.waiting:
            raise _Refused(BUSY, f"{self._waiting} images are waiting already; try again in a moment")
        self._count(1)
        try:
            yield
        finally:
            self._count(-1)

    def _count(self, more: int) -> None:
        self._waiting += more
        self._counters.waiting.set(self._waiting)

    async def ask(self, name: str, content: bytes) -> list[Prediction]:
        """Return what the models say of the images in a file; raises _Refused where they say nothing.

        Work whose time is over is dropped if no thread has begun it; else its thread is busy until it is done.
        """
        start = time.perf_counter()
        work = asyncio.get_running_loop().run_in_executor(self._pool, self._look, name, content)
        try:
            async with asyncio.timeout(self._limits.seconds):
                said = await work
        except TimeoutError:
            raise _Refused(
                TOO_SLOW, f"no answer within {self._limits.seconds:g} s; try again, or a smaller file"
            ) from None
        except SonotraceError as error:
            raise _Refused(UNREADABLE, str(error)) from None
        self._counters.seconds.observe(time.perf_counter() - start)
        self._counters.requests.labels("200").inc()
        for one in said:
            self._counters.planes.labels(one.plane or "none").inc()
        return said

    def _look(self, name: str, content: bytes) -> list[Prediction]:
        found = views(Source(name), content, self._search)
        parts = (found[at : at + BATCH] for at in range(0, len(found), BATCH))
        return [one for part in parts for one in self._models.say(name, part, self._search)]


async def _body(request: Request, megabytes: int) -> bytes:
    """Read the body, but no more of it than is allowed."""
    most = megabytes * 1_000_000
    stated = request.headers.get("content-length", "0")
    too_large = _Refused(TOO_LARGE, f"larger than {megabytes} MB; raise --max-megabytes or send a smaller file")
    if stated.isdecimal() and (len(stated) > _DIGITS or int(stated) > most):
        raise too_large
    content = bytearray()
    async for part in request.stream():
        content += part
        if len(content) > most:
            raise too_large
    if not content:
        raise _Refused(UNREADABLE, "the body is empty; send the bytes of an image file")
    return bytes(content)


def _answer(one: Prediction) -> Answer:
    return Answer.model_validate(one.as_json())
