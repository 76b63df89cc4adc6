"""Listen on an address until the user ends it."""

from collections.abc import Callable
from socket import create_server

import typer
import uvicorn
from fastapi import FastAPI

from sonotrace.errors import SonotraceError


def listen(app: FastAPI, host: str, port: int, said: Callable[[str], str]) -> None:
    """Serve `app` until Ctrl-C; a `port` of 0 takes a free one. `said` makes the first line of the address.

    Raises SonotraceError where the address cannot be had.
    """
    try:
        socket = create_server((host, port))
    except OSError as error:
        raise SonotraceError(f"--host {host} --port {port}: cannot listen there ({error.strerror})") from None
    typer.echo(said(f"http://{host}:{socket.getsockname()[1]}"))
    settings = uvicorn.Config(
        app, log_level="warning", access_log=False, server_header=False, timeout_graceful_shutdown=5
    )
    uvicorn.Server(settings).run(sockets=[socket])
