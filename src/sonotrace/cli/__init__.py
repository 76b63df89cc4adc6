"""The command line: one module per command, which imports what it needs when it runs, so that help answers at once."""

import errno
import io
import os
import sys

import typer

from sonotrace.cli import export, stages
from sonotrace.cli.audit_labels import audit_labels
from sonotrace.cli.compare import compare
from sonotrace.cli.lineage import lineage
from sonotrace.cli.metrics import metrics
from sonotrace.cli.patient_key import patient_key
from sonotrace.cli.pin import pin
from sonotrace.cli.predict import predict
from sonotrace.cli.review import review
from sonotrace.cli.runs import runs
from sonotrace.cli.serve import serve
from sonotrace.cli.sign import sign
from sonotrace.cli.sources import sources
from sonotrace.cli.use import use
from sonotrace.cli.verify import verify
from sonotrace.cli.withdraw import withdraw
from sonotrace.errors import SonotraceError
from sonotrace.running import environment
from sonotrace.running.outputs import FULL, unwritten

app = typer.Typer(
    help="A reproducible, data-versioned workflow for fetal ultrasound.",
    no_args_is_help=True,
    suggest_commands=False,  # Click suggests one already
    pretty_exceptions_enable=False,
)
for stage in stages.STAGES:
    app.command(stage.__name__, rich_help_panel="Stages, run by dvc repro")(stage)
for command in (
    *(predict, serve, metrics, compare, lineage, verify, sign),
    *(use, sources, pin, audit_labels, review, withdraw, patient_key, runs),
):
    app.command(command.__name__.replace("_", "-"))(command)
app.add_typer(export.app, name="export")


def main() -> None:
    """Run the command line; errors are one line on standard error and exit code 1."""
    for stream in (sys.stdout, sys.stderr):  # a name that is not UTF-8 is printed, as \udcfc, and stops nothing
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    environment.isolate(mends=sys.argv[1:2] != ["verify"])  # which reports a damaged dvc.lock, and mends nothing
    try:
        app()
    except Exception as error:
        if os.environ.get("SONOTRACE_DEBUG") == "1":
            raise
        print(f"error: {_one_line(error)}", file=sys.stderr)
        for note in getattr(error, "__notes__", ()):
            print(f"note: {note}", file=sys.stderr)
        sys.exit(1)


def _one_line(error: Exception) -> str:
    if isinstance(error, SonotraceError):
        return str(error)
    if isinstance(error, OSError) and error.filename and error.errno in (*FULL, errno.EROFS):
        return str(unwritten(str(error.filename), error))
    if isinstance(error, OSError) and error.filename:
        return f"{error.filename}: {error.strerror}; check the path, its permissions and the disk"
    if isinstance(error, OSError) and error.errno in FULL:
        return f"{error.strerror}: make room (`df` shows where), then run the same command again"
    if isinstance(error, ModuleNotFoundError) and error.name and not error.name.startswith("sonotrace"):
        return f"{error.name}: not installed; what only predicts goes without it: pip install 'sonotrace[all]'"
    first = next(iter(str(error).splitlines()), "")
    return f"unexpected {type(error).__name__}: {first} (SONOTRACE_DEBUG=1 shows where)"


@app.callback(invoke_without_command=True)
def _version(
    version: bool = typer.Option(False, "--version", help="Print the version.", is_eager=True),
) -> None:
    if version:
        from sonotrace import __version__

        print(f"sonotrace {__version__}")
        raise typer.Exit
