"""What the last commit (git's HEAD) knows: its files, and a stage as it ran."""

from functools import cached_property
from pathlib import Path
from typing import Any

from sonotrace.errors import SonotraceError
from sonotrace.records.history import LOCK, History, NoRepositoryError
from sonotrace.records.lock import Step, flat, read
from sonotrace.records.store import Store


class LastCommit:
    """The last commit of the repository that `top` is the top folder of; it may know nothing."""

    def __init__(self, top: Path) -> None:
        """Look for a repository; none, or one without a commit, is no error."""
        try:
            self._history: History | None = History(top)
        except NoRepositoryError:
            self._history = None

    @property
    def is_repository(self) -> bool:
        """Say whether there is a git repository at all."""
        return self._history is not None

    def text(self, path: Path | str) -> str | None:
        """Return the text of a file, its path from `top`, or None where the commit has none."""
        content = self._history.file("HEAD", Path(path).as_posix()) if self._history else None
        return None if content is None else content.decode()

    @cached_property
    def _steps(self) -> dict[str, Step]:
        text = self.text(LOCK)
        try:
            return read(text) if text else {}
        except SonotraceError:
            return {}

    def parameters(self, stage: str) -> dict[str, Any]:
        """Return dotted key -> value of the parameters that a stage ran with; empty where it is unknown."""
        step = self._steps.get(stage)
        return flat(step.parameters) if step else {}

    def table(self, stage: str, path: Path) -> list[dict[str, str]] | None:
        """Return the rows of a CSV file that a stage wrote, or None where the commit or DVC's cache has none."""
        step = self._steps.get(stage)
        link = next((one for one in step.outputs if one.path == path.as_posix()), None) if step else None
        return Store(self._history).table(link) if self._history and link else None
