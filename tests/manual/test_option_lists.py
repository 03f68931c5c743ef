"""The option reference says what the parsers say, and what a program's help has in columns."""

import argparse
from collections.abc import Iterator
from pathlib import Path

import pytest
from sphinx.util.inventory import InventoryFile

from qemu_pr.cli import qemu_pr, qemu_pr_helper
from qemu_pr.manual.option_lists import in_words_of_a_manual

EPILOG = """\
Wrapped text
of one paragraph.

The answers are:

   1  yes and what is
      nearly yes
  10  no
  one-that-is-wide
      the text
      of it
"""


def options(parser: argparse.ArgumentParser) -> Iterator[str]:
    """Name what a parser and those below it take as the option references of the manual do."""
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for command in action.choices.values():
                yield from options(command)
        elif action.help != argparse.SUPPRESS:
            program = parser.prog.replace(" ", "-")
            yield from (f"{program}.{name}" for name in action.option_strings)


@pytest.mark.timeout(600)
def test_the_manual_has_each_option_of_both_programs_and_no_other(html: Path) -> None:
    inventory = (html / "objects.inv").read_bytes()

    told = InventoryFile.loads(inventory, uri="").data["std:cmdoption"]

    parsers = qemu_pr.build_parser(), qemu_pr_helper.build_parser()
    assert {name for name in told if ".-" in name} == {
        name for parser in parsers for name in options(parser)
    }


def test_an_option_is_told_with_its_metavariable_and_in_a_sentence() -> None:
    parser = argparse.ArgumentParser("program")
    parser.add_argument("-s", "--size", metavar="N*", help="100%% of *all*")

    *_, told = in_words_of_a_manual(parser)._action_groups[1]._group_actions

    assert told.option_strings == ["-s N*", "--size N*"]
    assert told.help == r"100\%% of \*all\*."


def test_a_table_in_an_epilog_becomes_a_list() -> None:
    parser = argparse.ArgumentParser("program", epilog=EPILOG, add_help=False)

    text = in_words_of_a_manual(parser).epilog

    assert "Wrapped text of one paragraph.\n" in text
    assert "\n1\n   yes and what is nearly yes\n10\n   no\n" in text
    assert "\none\\-that\\-is\\-wide\n   the text of it\n" in text


def test_commands_in_an_epilog_keep_their_lines() -> None:
    epilog = "For example:\n\n  program *\n  program --twice disk\n"

    text = in_words_of_a_manual(argparse.ArgumentParser("program", epilog=epilog)).epilog

    assert text.endswith("example\\:\n\n| ``program *``\n| ``program --twice disk``\n")
