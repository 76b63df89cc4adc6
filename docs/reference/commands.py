"""The page of all commands, from the command line itself."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import typer.main

from sonotrace.cli import app


def write(path: Path) -> None:
    """Write the page."""
    path.write_text("\n".join(_page()) + "\n", encoding="utf-8")


def _page() -> Iterator[str]:
    group = typer.main.get_command(app)
    yield "# Commands"
    yield ""
    yield "`sonotrace COMMAND --help` prints the same. An error is one line, and the exit code is 1."
    yield from _group("sonotrace", group)


def _group(name: str, group: Any) -> Iterator[str]:
    for command_name in sorted(group.commands):
        command = group.commands[command_name]
        if hasattr(command, "commands"):
            yield from _group(f"{name} {command_name}", command)
        elif not command.hidden:
            yield from _command(f"{name} {command_name}", command)


def _command(name: str, command: Any) -> Iterator[str]:
    arguments = [one for one in command.params if one.param_type_name == "argument"]
    options = [one for one in command.params if one.param_type_name == "option" and not one.hidden]
    yield f"\n## {name}\n"
    yield " ".join((command.help or "").replace("\b", "").split())
    usage = " ".join([name, *(_usage(one) for one in arguments)])
    yield f"\n```text\n{usage}{' [OPTIONS]' if options else ''}\n```"
    for argument in arguments:
        yield f"\n`{_metavar(argument)}`\n: {argument.help}"
    for option in options:
        names = ", ".join([*option.opts, *option.secondary_opts])
        value = "" if option.is_flag else f" {_metavar(option)}"
        default = "" if option.default in (None, False, (), []) or callable(option.default) else option.default
        stated = f" Default: `{default}`." if default != "" and str(default) != "." else ""
        yield f"\n`{names}{value}`\n: {option.help}{stated}"


def _usage(argument: Any) -> str:
    text = _metavar(argument) + ("..." if argument.nargs == -1 else "")
    return text if argument.required else f"[{text}]"


def _metavar(parameter: Any) -> str:
    return parameter.metavar or (parameter.name or "").upper()
