"""The one error that people see.

A message is one line that names the file or key, the value found there, and the remedy.
"""


class SonotraceError(Exception):
    """The input or the parameters are not usable, and a person can mend them."""
