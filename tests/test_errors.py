"""A message stays one line, whatever name or value it quotes."""

from sonotrace.errors import LONGEST, SonotraceError


def test_characters_that_would_break_the_line_are_escaped():
    said = str(SonotraceError("a\nb\x1b[2J\u2028c\udcfc\u202e.png: größer; mend it"))
    assert said == r"a\nb\x1b[2J\u2028c\udcfc\u202e.png: größer; mend it"


def test_a_message_within_a_message_is_not_escaped_twice():
    first = SonotraceError("a\nb")
    assert str(SonotraceError(f"b: {first}")) == r"b: a\nb"


def test_a_long_message_keeps_its_file_and_its_remedy():
    said = str(SonotraceError(f"a.yaml: {'x' * 100_000}; mend it"))
    assert len(said) < LONGEST + 10
    assert said.startswith("a.yaml: x")
    assert said.endswith("x; mend it")
