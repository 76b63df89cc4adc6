"""Review labels on a local page."""

import subprocess
from pathlib import Path
from typing import Annotated

import typer

from sonotrace.errors import SonotraceError


def review(
    data_set: Annotated[str, typer.Argument(help="The data set whose labels are reviewed.")] = "planes",
    audit: Annotated[Path, typer.Option(help="The folder that audit-labels wrote.")] = Path("audit"),
    reviewer: Annotated[str, typer.Option(help="Who decides; without it, user.name of git.", show_default=False)] = "",
    port: Annotated[int, typer.Option(min=0, max=65535, help="The port; 0 takes a free one.")] = 0,
) -> None:
    """Review doubtful labels on a page of this machine; decisions go into data/corrections.csv, for pull to apply."""
    from sonotrace.params import load
    from sonotrace.places import folder
    from sonotrace.review.cases import cases

    params = load()
    if data_set not in params.data_sets:
        raise SonotraceError(f"params.yaml: no data set {data_set!r}; use one of {', '.join(params.data_sets)}")
    name = reviewer.strip() or _git_user()
    if not name:
        raise SonotraceError("review: nobody is named; give --reviewer, or set user.name in git")
    try:
        from sonotrace.review.service import service
        from sonotrace.serve.listening import listen
    except ModuleNotFoundError as error:
        raise SonotraceError(f"review: {error.name} is not installed; pip install 'sonotrace[serve]'") from None
    queue = cases(data_set, params, audit)
    app = service(data_set, params.kind(data_set), queue, folder(data_set, "pull") / "images", name)
    said = f"review: {len(queue)} images of {data_set}"
    listen(app, "127.0.0.1", port, lambda address: f"{said}; open {address}/{app.state.secret}/ ; Ctrl-C ends it")


def _git_user() -> str:
    """Return the name that git writes into commits; empty where none is set."""
    asked = subprocess.run(["git", "config", "user.name"], capture_output=True, text=True, check=False)
    return asked.stdout.strip()
