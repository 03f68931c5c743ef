import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from qemu_pr.verified_examples.transcript import (
    Step,
    TranscriptError,
    difference,
    fill_in,
    first_difference,
    matches,
    normal,
    parse,
)


@pytest.mark.parametrize(
    ("text", "steps"),
    [
        ("$ true", [(0, "true", "")]),
        ("$ echo a\na", [(0, "echo a", "a")]),
        ("$ a\n1\n$ true\n$ b\n2", [(0, "a", "1"), (2, "true", ""), (3, "b", "2")]),
        ("$ show\na\n\nb", [(0, "show", "a\n\nb")]),
        ("$ cat <<X\n> one\n>\n> $ two\n> X\none", [(0, "cat <<X\none\n\n$ two\nX", "one")]),
        ("$ qemu \\\n    -S \\\n    -k\nout", [(0, "qemu \\\n    -S \\\n    -k", "out")]),
        ("$ qemu \\\n>   -S\nout", [(0, "qemu \\\n  -S", "out")]),
        ("$ show\nqemu \\\n    -S", [(0, "show", "qemu \\\n    -S")]),
        ("$ echo\n  $ indented", [(0, "echo", "  $ indented")]),
    ],
)
def test_a_transcript_is_split_into_commands_and_their_output(text, steps):
    assert parse(text) == [Step(*step) for step in steps]


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        ("", 0, "begins with a command"),
        ("no prompt", 0, "begins with a command"),
        ("> continued", 0, "begins with a command"),
        ("$ echo a\na\n> b", 2, "output came before it"),
    ],
)
def test_what_is_no_transcript_is_rejected_with_its_line(text, line, message):
    with pytest.raises(TranscriptError, match=message) as caught:
        parse(text)

    assert caught.value.line == line


LINES = st.text(st.characters(blacklist_categories=["C", "Z"]) | st.just(" "))
OUTPUT = LINES.filter(lambda line: not f"{line} ".startswith(("$ ", "> ")))
TYPED = LINES.filter(lambda line: not line.endswith("\\"))


@given(st.lists(st.tuples(st.lists(TYPED, min_size=1), st.lists(OUTPUT)), min_size=1))
def test_every_command_and_all_its_output_is_found_again(session):
    text = "\n".join("\n".join(["$ " + "\n> ".join(typed), *output]) for typed, output in session)

    steps = parse(text)

    rows = text.split("\n")
    assert [(step.command, step.expected) for step in steps] == [
        ("\n".join(typed), "\n".join(output)) for typed, output in session
    ]
    assert all(rows[step.line].startswith(str(step)) for step in steps)


@pytest.mark.parametrize(
    ("expected", "got"),
    [
        ("", ""),
        ("a", "a\n"),
        ("a", "a"),
        ("a\n b", "a  \n b\t\n\n"),
        ("a       b", "a\tb\n"),
        ("pid ... of ...", "pid 17 of many\n"),
        ("first\n...\nlast", "first\n1\n2\nlast\n"),
        ("...", ""),
        ("<BLANKLINE>", "<BLANKLINE>\n"),
    ],
)
def test_output_matches_what_the_page_says_of_it(expected, got):
    assert matches(normal(expected), normal(got))


@pytest.mark.parametrize(
    ("expected", "got"),
    [
        ("", "a\n"),
        ("a", ""),
        ("a", "b\n"),
        ("a", " a\n"),
        ("a", "\na\n"),
        ("a", "A\n"),
        ("1", "True\n"),
        ("<BLANKLINE>", "\n"),
        ("pid ...", "no pid\n"),
    ],
)
def test_output_that_differs_in_one_character_does_not_match(expected, got):
    assert not matches(normal(expected), normal(got))


@given(st.text())
def test_every_output_matches_itself(text):
    assume("..." not in text)

    assert matches(normal(text), normal(text))


def test_a_difference_leaves_out_what_a_wildcard_stands_for():
    expected, got = "pid ...\nstate on", "pid 17\nstate off"

    diff = difference(fill_in(expected, got), got).splitlines()

    assert diff[3:] == [" pid 17", "-state on", "+state off"]


def test_wildcards_stay_in_a_difference_when_lines_are_missing():
    assert fill_in("pid ...\nmore", "pid 17") == "pid ...\nmore"


@pytest.mark.parametrize(
    ("expected", "got", "line"),
    [
        ("a\nb\nc", "a\nx\nc", 1),
        ("a\nb", "x\ny", 0),
        ("a\nb", "a\nb\nc", 1),
        ("a\nb\nc", "a\nb", 2),
        ("a\nb", "", 0),
    ],
)
def test_the_first_line_that_differs_is_named(expected, got, line):
    assert first_difference(expected, got) == line
