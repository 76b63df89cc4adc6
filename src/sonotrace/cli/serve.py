"""Serve the models on a local page and by HTTP."""

import os
from pathlib import Path
from typing import Annotated

import typer

from sonotrace.cli.options import HashFiles, OnnxFolder, Repository, SignersKey, UseUnknown
from sonotrace.errors import SonotraceError

LOOPBACK = ("127.0.0.1", "localhost")
TOKEN = "SONOTRACE_TOKEN"  # noqa: S105 - the name of a variable


def serve(
    host: Annotated[
        str, typer.Option(help="The address to listen on; one beyond this machine needs a token.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="The port; 0 takes a free one.")] = 8000,
    max_megabytes: Annotated[int, typer.Option(min=1, max=4000, help="Largest image file.")] = 100,
    max_seconds: Annotated[float, typer.Option(min=0.1, max=3600, help="Longest wait for an answer.")] = 60,
    max_waiting: Annotated[int, typer.Option(min=1, help="Most images that wait; more are turned away.")] = 100,
    threads: Annotated[int, typer.Option(min=1, max=256, help="Images processed in parallel.")] = 2,
    models: OnnxFolder = None,
    repo: Repository = Path(),
    hashes: HashFiles = None,
    key: SignersKey = None,
    allow_unknown: UseUnknown = False,
) -> None:
    """Serve the models on a page of this machine, and by HTTP; no image is kept."""
    from sonotrace.predict import command
    from sonotrace.predict.search import Search, crops_of
    from sonotrace.predict.trust import Trust

    token = os.environ.get(TOKEN) or None
    if host not in LOOPBACK and token is None:
        raise SonotraceError(
            f"--host {host}: others could use the service; set {TOKEN} to a secret that they must send"
        )
    try:
        from sonotrace.serve.listening import listen
        from sonotrace.serve.service import Limits, service
    except ModuleNotFoundError as error:
        raise SonotraceError(f"serve: {error.name} is not installed; pip install 'sonotrace[serve]'") from None
    trusted, loaded = command.load_models(
        command.choose(models or repo / "models", None, None), Trust(repo, hashes or (), key, allow_unknown)
    )
    for model in trusted:
        if model.warning:
            typer.echo(f"warning: {model.warning}", err=True)
    limits = Limits(max_megabytes, max_seconds, max_waiting, threads)
    app = service(loaded, trusted, Search(crops=crops_of(repo)), limits, token)
    listen(app, host, port, lambda address: f"serve: {address}; Ctrl-C ends it")
