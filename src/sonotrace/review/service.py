"""The page of a review: it shows one image after another and writes what is decided into the table of corrections.

Everything lies below an address with a secret in it, so that another user of the machine cannot look at the images.
"""

import asyncio
import secrets
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import asdict
from datetime import date
from importlib.resources import files
from pathlib import Path
from typing import Annotated

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import HTMLResponse, JSONResponse, Response
from pydantic import BaseModel, StringConstraints
from starlette.middleware.trustedhost import TrustedHostMiddleware

from sonotrace.errors import SonotraceError, one_line
from sonotrace.images.grey import encode_png, read_grey
from sonotrace.kinds.kind import Kind
from sonotrace.labels.corrections import LEFT_OUT, TABLE, Correction, Corrections, choices, decide, undo
from sonotrace.review.cases import Case

Sha256 = Annotated[str, StringConstraints(pattern="^[0-9a-f]{64}$")]


class Decision(BaseModel):
    """What the reviewer decides about an image."""

    sha256: Sha256
    new: Annotated[str, StringConstraints(min_length=1, max_length=100)]
    """The right label, or LEFT_OUT."""
    note: Annotated[str, StringConstraints(max_length=500, strip_whitespace=True)] = ""


class Made(BaseModel):
    """A decision that is in the table."""

    new: str
    outcome: str
    review: str
    note: str


def service(
    data_set: str,
    kind: Kind,
    queue: Sequence[Case],
    images: Path,
    reviewer: str,
    *,
    table: Path = TABLE,
    secret: str | None = None,
    today: Callable[[], date] = date.today,
) -> FastAPI:
    """Return the application, whose `state.secret` is the first part of all its paths.

    `images` is the folder of the images that pull brought in. An image's decision keeps the label that its snapshot
    has as the old one, also where it replaces an earlier decision that has been applied since.
    """
    secret = secret or secrets.token_urlsafe(16)
    by_hash = {case.sha256: case for case in queue}
    offered = choices(kind, (case.label for case in queue))
    writing = asyncio.Lock()
    app = FastAPI(title="sonotrace review", docs_url=None, redoc_url=None, openapi_url=None, redirect_slashes=False)
    app.state.secret = secret
    app.add_middleware(TrustedHostMiddleware, allowed_hosts=["127.0.0.1", "localhost", "testserver"])

    @app.get(f"/{secret}/", response_class=HTMLResponse)
    async def page() -> str:
        return files("sonotrace.review").joinpath("page.html").read_text(encoding="utf-8")

    @app.get(f"/{secret}/cases")
    async def listed() -> dict[str, object]:
        known = Corrections(data_set, kind, table)
        rows = [row for case in queue if (row := known.about(case.sha256))]
        made = {row.sha256: _made(row).model_dump() for row in rows}
        return {
            "data_set": data_set,
            "reviewer": reviewer,
            "table": table.as_posix(),
            "choices": offered,
            "left_out": LEFT_OUT,
            "cases": [asdict(case) | {"decision": made.get(case.sha256)} for case in queue],
        }

    @app.get(f"/{secret}/image/{{sha256}}", response_class=Response)
    def image(sha256: Sha256) -> Response:
        if sha256 not in by_hash:
            return Response(status_code=404)
        return Response(encode_png(read_grey(images / by_hash[sha256].file)), media_type="image/png")

    @app.put(f"/{secret}/decision")
    async def put(decision: Decision) -> Made:
        case = by_hash.get(decision.sha256)
        if case is None:
            raise SonotraceError("review: no such image in this review; load the page again")
        async with writing:
            before = Corrections(data_set, kind, table).about(case.sha256)
            stated = "" if kind.has_boxes else case.label
            new = "" if decision.new == case.label and kind.has_boxes else decision.new
            made = Correction(
                data_set,
                case.sha256,
                before.old if before else stated,
                new,
                reviewer,
                today().isoformat(),
                " ".join(decision.note.split()),
            )
            decide(made, kind, table)
        return _made(made)

    @app.delete(f"/{secret}/decision/{{sha256}}")
    async def delete(sha256: Sha256) -> dict[str, str]:
        async with writing:
            undo(data_set, sha256, table)
        return {}

    @app.exception_handler(RequestValidationError)
    async def invalid(_: Request, problem: RequestValidationError) -> JSONResponse:
        first = problem.errors()[0]  # not the body itself: JSON cannot hold everything it may contain
        where = ".".join(str(part) for part in first["loc"])
        return JSONResponse({"detail": one_line(f"{where}: {first['msg']}; load the page again")}, 422)

    @app.exception_handler(SonotraceError)
    async def problem(_: Request, error: SonotraceError) -> JSONResponse:
        return JSONResponse({"detail": str(error)}, 422)

    @app.middleware("http")
    async def headed(request: Request, go_on: Callable[[Request], Awaitable[Response]]) -> Response:
        answer = await go_on(request)
        answer.headers["Cache-Control"] = "no-store"
        answer.headers["Referrer-Policy"] = "no-referrer"
        answer.headers["X-Content-Type-Options"] = "nosniff"
        answer.headers["Content-Security-Policy"] = (
            "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; connect-src 'self'; "
            "img-src 'self' data:; frame-ancestors 'none'"
        )
        return answer

    return app


def _made(row: Correction) -> Made:
    return Made(new=row.new, outcome=row.outcome, review=row.review, note=row.note)
