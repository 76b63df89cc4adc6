"""The file of a training's checkpoint, in `.sonotrace/trainings`; each framework writes its own contents."""

import re
from contextlib import suppress

from sonotrace.places import STATE
from sonotrace.running.progress import say

TRAININGS = STATE / "trainings"


class CheckpointFile:
    """One file per training, which goes when the training ends."""

    def __init__(self, name: str, key: str, ending: str) -> None:
        """Name the file; `key` says for which training it counts: another one's file is not used."""
        self.path = TRAININGS / f"{re.sub('[^a-z0-9]+', '-', name.lower()).strip('-')}{ending}"
        self._key = key

    def clear(self) -> None:
        """Remove the file."""
        with suppress(OSError):
            self.path.unlink(missing_ok=True)

    def _cannot_write(self, reason: object) -> None:
        """Say that there will be no checkpoint; the training is worth more, so it goes on."""
        say(f"note: {self.path}: {reason}; if this training is stopped, it starts from its first epoch")
