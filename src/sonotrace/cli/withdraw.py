"""Record a withdrawal."""

from typing import Annotated

import typer


def withdraw(
    patient: Annotated[str, typer.Argument(help="The patient's id as the data set has it.")],
    reason: Annotated[str, typer.Option(help="Why; it stands in git, so name nobody.")],
) -> None:
    """Leave a patient out of everything that is made from now on."""
    from sonotrace.patients import withdrawals

    print(withdrawals.record(patient, reason))
    if not withdrawals.is_pulled(patient):
        print("note: none of the patients pulled now has this id; check it")
