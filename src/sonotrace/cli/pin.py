"""Pin a remote source."""

from sonotrace.cli.options import DataSet


def pin(data_set: DataSet) -> None:
    """Take over what a remote source holds now: pin its content in git."""
    from sonotrace.intake import catalogue

    catalogue.pin(data_set)
