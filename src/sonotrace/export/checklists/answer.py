"""What an answer to an item of a checklist is made of."""

from collections.abc import Iterator
from dataclasses import dataclass

from sonotrace.report.facts import DataSet, Facts

PARAMS = "params.yaml"


@dataclass(frozen=True)
class Answer:
    """What the pipeline can say to an item, and the files that it is from."""

    text: str
    files: tuple[str, ...] = ()


def each(facts: Facts) -> Iterator[tuple[DataSet, str]]:
    """Yield each data set with how its sentence begins."""
    for one in facts.data_sets:
        yield one, f"{one.name}:"


def learned(facts: Facts) -> Iterator[tuple[DataSet, str]]:
    """Yield those that a model is trained on."""
    yield from ((one, name) for one, name in each(facts) if one.is_learned)


def parameter(facts: Facts, key: str) -> object:
    """Return a value of `params.yaml` by its dotted key; None without one."""
    return facts.parameters.get(key)
