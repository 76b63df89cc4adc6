"""Leave a patient out of everything that is made from now on."""

from typing import Annotated

import typer


def withdraw(
    patient: Annotated[str, typer.Argument(help="The patient's id as the data set has it.")],
    reason: Annotated[str, typer.Option(help="Why; it is kept in git, so name nobody.")] = "",
    undo: Annotated[bool, typer.Option("--undo", help="Take the withdrawal out again.")] = False,
    force: Annotated[bool, typer.Option("--force", help="Accept an id that no patient pulled now has.")] = False,
) -> None:
    """Leave a patient out of everything that is made from now on."""
    from datetime import datetime

    from sonotrace.patients import withdrawals

    today = datetime.now().astimezone().date()
    print(withdrawals.undo(patient) if undo else withdrawals.record(patient, reason, today, force=force))
