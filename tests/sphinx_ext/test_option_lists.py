"""What a program's help says in columns stays in rows, in a manual and in its man page."""

import argparse

from qemu_pr.sphinx_ext.option_lists import describe

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


def test_a_table_in_an_epilog_becomes_a_list() -> None:
    text = describe(argparse.ArgumentParser("program", epilog=EPILOG, add_help=False))

    assert "Wrapped text of one paragraph.\n" in text
    assert "\n1\n   yes and what is nearly yes\n10\n   no\n" in text
    assert "\none\\-that\\-is\\-wide\n   the text of it\n" in text


def test_commands_in_an_epilog_keep_their_lines() -> None:
    text = describe(
        argparse.ArgumentParser(
            "program", epilog="For example:\n\n  program *\n  program --twice disk\n"
        )
    )

    assert text.endswith("example\\:\n\n| ``program *``\n| ``program --twice disk``\n")
