"""The one error that people see.

A message is one line that names the file or key, the value found there, and the remedy.
"""

LONGEST = 2000
"""Most characters of a message; a longer one loses its middle."""


class SonotraceError(Exception):
    """The input or the parameters are not usable, and a person can mend them."""

    def __init__(self, message: str) -> None:
        r"""Take a message; characters that would break the line or move the cursor are escaped, as in `\x1b`."""
        super().__init__(_cut(one_line(message)))


def one_line(text: str) -> str:
    r"""Return a text with each character that is not printable escaped, as in `\n`."""
    return "".join(one if one.isprintable() else one.encode("unicode_escape").decode() for one in text)


def _cut(text: str) -> str:
    half = LONGEST // 2
    return text if len(text) <= LONGEST else f"{text[:half]} ... {text[-half:]}"
