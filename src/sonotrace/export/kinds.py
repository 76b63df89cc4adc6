"""What exports say of the models of each kind of data set."""

from dataclasses import dataclass

from sonotrace.kinds.kind import Kind


@dataclass(frozen=True)
class Words:
    """How a kind's models are described."""

    task: str
    purpose: str
    limit: str
    """What a user of the model has to know."""
    architecture: str
    """The training's parameter that names the net."""


_WORDS = {
    "planes": Words(
        task="image classification",
        purpose="names the standard plane of a fetal ultrasound image",
        limit="It calls any image one of its planes, even an image that shows none of them.",
        architecture="architecture",
    ),
    "structures": Words(
        task="object detection",
        purpose="finds brain structures in a fetal ultrasound image, as boxes",
        limit="The file is a pickle: loading it runs code in it.",
        architecture="weights",
    ),
}


def words(kind: Kind) -> Words:
    """Return how the models of a kind are described."""
    return _WORDS[kind.name]
