"""Shell text: what we write is what a real shell reads, and so is what we read."""

import json
import os
import subprocess
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from command_line_strategies import reserved_disks
from qemu_pr.command_line.errors import CommandLineError
from qemu_pr.command_line.formats import argv_json, shell_text
from qemu_pr.command_line.model import ReservedDisks
from qemu_pr.command_line.shell import Word, join, split


@pytest.fixture(scope="module")
def show_arguments(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Give a program, with a name that needs quotes, that prints its argument vector."""
    program = tmp_path_factory.mktemp("bin") / "it's a=qemu"
    program.write_text('#!/bin/sh\nprintf \'%s\\0\' "$0" "$@"\n')
    program.chmod(0o755)
    return str(program)


def run_in_shell(text: str, cwd: Path | None = None) -> list[str]:
    ended = subprocess.run([b"/bin/sh", b"-c", os.fsencode(text)], stdout=-1, check=True, cwd=cwd)
    return [os.fsdecode(word) for word in ended.stdout.split(b"\0")[:-1]]


@pytest.mark.parametrize("syntax", ["blockdev", "drive"])
@settings(max_examples=60, deadline=None)
@given(disks=reserved_disks())
def test_pasted_text_is_the_argument_vector(
    show_arguments: str, syntax: str, disks: ReservedDisks
) -> None:
    text = shell_text(disks, syntax, show_arguments)

    assert run_in_shell(text) == json.loads(argv_json(disks, syntax, show_arguments))
    assert [word.text for word in split(text)] == json.loads(
        argv_json(disks, syntax, show_arguments)
    )


@pytest.mark.parametrize("name", ["a=b", "if", "time", "~", "a b", "plain", "!", "{"])
def test_a_program_is_a_command_whatever_its_name(tmp_path: Path, name: str) -> None:
    program = tmp_path / name
    program.write_text('#!/bin/sh\nprintf \'%s\\0\' "ran" "$@"\n')
    program.chmod(0o755)
    text = f'PATH="$PWD:$PATH"\n{join(name, [("-a", "b")])}'

    words = run_in_shell(text, tmp_path)

    assert words == ["ran", "-a", "b"]


def test_each_line_but_the_last_goes_on() -> None:
    text = join("qemu", [("-a", "b"), ("-c", "d e")])

    assert text == "qemu \\\n    -a b \\\n    -c 'd e'"


@settings(max_examples=300, deadline=None)
@given(text=st.text("ab '\"\\\n#\t", max_size=25))
def test_split_reads_words_as_the_shell_does(text: str) -> None:
    try:
        words = [word.text for word in split(f"x {text}")]
    except CommandLineError:
        return  # what is refused, and why, is the next test's matter

    count, *expected = run_in_shell(f'set -- x {text}\nprintf \'%s\\0\' "$#" "$@"')

    assert int(count) == len(words)
    assert words == expected[: len(words)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("qemu 'a", "line 1: a single quote stays open"),
        ('qemu \\\n "a\nb', "line 2: a double quote stays open"),
        ("qemu \\", "line 1: the text ends in a backslash"),
        ("qemu $(nproc", "line 1: a $( stays open"),
        ("qemu\n  -device x", "line 1: no backslash at its end, so that line 2 is another command"),
        ("\nqemu \\\n -S\n\n -m 1\n", "line 3: no backslash at its end, so that line 5"),
        ("qemu \\\n # a disk\n -m 1", "line 2: no backslash at its end, so that line 3"),
        ("qemu -m 1; rm x", "line 1: ';' outside quotes"),
        ("qemu -m 1 > log", "line 1: '>' outside quotes"),
        ("(qemu -m 1)", "line 1: '(' outside quotes"),
    ],
)
def test_split_refuses_what_is_not_one_command(text: str, expected: str) -> None:
    with pytest.raises(CommandLineError) as caught:
        split(text)

    assert str(caught.value).startswith(expected)


def test_words_know_their_line_and_whether_the_shell_expands_them() -> None:
    text = "qemu \\\n  -a 'b\nc' \\\n  \"$D\" '$E' \\$F \"\\$G\" `h` # end\n"

    words = split(text)

    assert words == [
        Word("qemu", 1),
        Word("-a", 2),
        Word("b\nc", 2),
        Word("$D", 4, expands=True),
        Word("$E", 4),
        Word("$F", 4),
        Word("$G", 4),
        Word("`h`", 4, expands=True),
    ]


def test_a_command_in_a_word_is_part_of_it() -> None:
    words = split('qemu -smp x$(nproc --all)"$(id (a))"y')

    assert words == [Word("qemu"), Word("-smp"), Word("x$(nproc --all)$(id (a))y", expands=True)]


def test_words_know_where_they_are() -> None:
    text = "qemu 'a'b\\\n c"

    assert [text[word.start : word.end] for word in split(text)] == ["qemu", "'a'b", "c"]
