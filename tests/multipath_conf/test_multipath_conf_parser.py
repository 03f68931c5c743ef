"""The parser: every line number, every mistake, and what is rendered comes back."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from multipath_conf_strategies import CONFUSED_TEXTS, SECTION_LISTS, VALUES
from qemu_pr.multipath_conf.errors import MultipathConfError
from qemu_pr.multipath_conf.model import Attribute, Section
from qemu_pr.multipath_conf.parser import parse
from qemu_pr.multipath_conf.renderer import render
from qemu_pr.multipath_conf.words import LINE_SIZE_MAX, Word, quote, split


@given(SECTION_LISTS)
@settings(suppress_health_check=[HealthCheck.too_slow])  # the first text takes Hypothesis seconds
def test_what_is_rendered_is_parsed(sections: tuple[Section, ...]) -> None:
    parsed = parse(render(sections))

    assert parsed.sections == sections
    assert parsed.problems == ()


@given(VALUES)
def test_a_quoted_value_is_one_word(value: str) -> None:
    words = split(quote(value) + " # comment")

    assert [word.text for word in words] == [value]


@given(st.text() | CONFUSED_TEXTS)
def test_any_text_is_read_to_its_end(text: str) -> None:
    parsed = parse(text)

    assert all(1 <= problem.line <= text.count("\n") + 1 for problem in parsed.problems)
    assert parse(render(parsed.sections)).sections == parsed.sections


@given(st.binary())
def test_bytes_that_are_no_text_are_read_to_their_end(data: bytes) -> None:
    parsed = parse(data.decode(errors="surrogateescape"))

    assert isinstance(parsed.sections, tuple)


def test_lines_are_those_of_the_text() -> None:
    (multipaths,) = parse("\n# c\nmultipaths {\n\n multipath {\n  wwid a\n }\n}\n").sections

    (multipath,) = multipaths.sections("multipath")
    (wwid,) = multipath.attributes("wwid")
    assert (multipaths.line, multipath.line, wwid.line) == (3, 5, 6)


def test_words() -> None:
    assert split('a "b ""c"" #" {}!x') == [
        Word("a"),
        Word('b "c" #', quoted=True),
        Word("{"),
        Word("}"),
    ]
    assert split('"a') == [Word("a", quoted=True, closed=False)]


PROBLEMS = {
    "defaults {\n": (1, "defaults", "no } closes"),
    "}\n": (1, "}", "no section is open"),
    "defaults\n}\n": (1, "defaults", "no { follows"),
    "defaults x\n}\n": (1, "defaults", "no { follows"),
    "defaults { x\n}\n": (1, "defaults { x", "what follows {"),
    "defaults {\n} x\n": (2, "} x", "what follows }"),
    "defaults {\n{\n}\n": (2, "{", "ignores it"),
    'defaults {\n"a" b\n}\n': (2, '"a"', "a name in quotes"),
    'defaults {\na "b\n}\n': (2, "a", "closing quote"),
    "defaults {\na b c\n}\n": (2, "a b", "what follows the value: c"),
    "defaults {\na\n}\n": (2, "a", "no value"),
    "overrides\n": (1, "overrides", "no { follows"),
    "a b\n": (1, "a", "in no section"),
    "multipath {\n": (1, "multipath", "no section of this name"),
    "defaults {\n" + "#" * (LINE_SIZE_MAX + 1) + "\n}\n": (2, "line", "1024 bytes"),
}


@pytest.mark.parametrize("text", PROBLEMS)
def test_a_mistake_is_named_with_its_line(text: str) -> None:
    line, what, why = PROBLEMS[text]

    (problem,) = parse(text).problems

    assert (problem.line, problem.what) == (line, what)
    assert why in problem.why
    assert problem.syntax


@pytest.mark.parametrize("value", ["a\nb", "a\rb", "a\0b"])
def test_a_value_with_a_line_end_cannot_be_written(value: str) -> None:
    with pytest.raises(MultipathConfError, match="line end"):
        render([Section("defaults", (Attribute("alias", value),))])


def test_a_value_that_multipath_would_cut_cannot_be_written() -> None:
    with pytest.raises(MultipathConfError, match="1023 bytes"):
        render([Section("defaults", (Attribute("alias", "x" * LINE_SIZE_MAX),))])
