"""A directive that prints what a program's parser says of its options, so that it cannot drift.

::

    .. options-of:: qemu_pr.cli.qemu_pr:build_parser persist

prints the description, the arguments and options, and the epilog of the subcommand ``persist``;
with the flag ``:bare:`` the arguments and options only.
Sphinx's own ``option`` directive lays them out, so ``:option:`` can refer to them. (sphinx-argparse
prints no metavariables, and a default for every switch.)
"""

import argparse
import importlib
import re
import textwrap
from collections.abc import Iterator
from typing import ClassVar

from docutils import nodes
from docutils.parsers.rst import directives
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective
from sphinx.util.rst import escape
from sphinx.util.typing import ExtensionMetadata, OptionSpec

from qemu_pr import __version__

# Titles that argparse gives its groups by itself; a reader sees what is what.
_ARGPARSE_TITLES = {"options", "positional arguments"}

# The first column of a table in an epilog, with the blanks behind it.
_FIRST_COLUMN = re.compile(r" *\S+( \S+)*  +")


def find_parser(reference: str, command: str = "") -> argparse.ArgumentParser:
    """Make a parser, and find that of a subcommand in it.

    Args:
        reference: Module and function, as in ``package.module:function``.
        command: The subcommand, or nothing for the program itself.

    Raises:
        ValueError: There is no such subcommand.
    """
    module, _, function = reference.partition(":")
    parser: argparse.ArgumentParser = getattr(importlib.import_module(module), function)()
    if not command:
        return parser
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction) and command in action.choices:
            found: argparse.ArgumentParser = action.choices[command]
            return found
    raise ValueError(f"{reference} has no subcommand {command!r}")


def describe(parser: argparse.ArgumentParser, *, bare: bool = False) -> str:
    """Write what a parser says of itself as reStructuredText.

    Args:
        parser: The parser.
        bare: Leave out its description and epilog.
    """
    description, epilog = ("", "") if bare else (parser.description, parser.epilog)
    lines = [*_paragraphs(description), f".. program:: {parser.prog}", ""]
    for group in parser._action_groups:
        actions = [action for action in group._group_actions if _is_described(action)]
        if not actions:
            continue
        if group.title and group.title not in _ARGPARSE_TITLES:
            lines += [f".. rubric:: {escape(group.title)}", ""]
        lines += _paragraphs(group.description)
        for action in actions:
            lines += _option(parser, action)
    lines += _paragraphs(epilog)
    return "\n".join(lines)


def _is_described(action: argparse.Action) -> bool:
    return action.help is not argparse.SUPPRESS and not isinstance(
        action, argparse._SubParsersAction
    )


def _option(parser: argparse.ArgumentParser, action: argparse.Action) -> Iterator[str]:
    formatter = argparse.HelpFormatter(parser.prog)
    if action.option_strings:
        value = "" if action.nargs == 0 else formatter._format_args(action, action.dest.upper())
        name = ", ".join(f"{string} {value}".strip() for string in action.option_strings)
    else:
        name = formatter._format_args(action, str(action.metavar or action.dest))
    help_ = formatter._expand_help(action) if action.help else ""
    yield from (f".. option:: {name}", "", f"   {escape(help_[:1].upper() + help_[1:])}.", "")


def _paragraphs(text: str | None) -> Iterator[str]:
    for paragraph in (text or "").split("\n\n"):
        if paragraph.startswith(" "):
            yield from (*_indented(textwrap.dedent(paragraph).splitlines()), "")
        elif paragraph.strip():
            yield from (escape(" ".join(paragraph.split())), "")


def _indented(lines: list[str]) -> Iterator[str]:
    """Write a table of two columns as a list, and all else, such as commands, as it stands."""
    if not (first := _FIRST_COLUMN.match(lines[0])):
        yield from (f"| ``{line}``" for line in lines)
        return
    rows: list[tuple[str, list[str]]] = []
    for line in lines:
        name, text = line[: first.end()], line[first.end() :]
        if name.strip() and text and not name.endswith("  "):  # too wide: its text is below it
            name, text = line, ""
        if name.strip():
            rows.append((name.strip(), []))
        rows[-1][1].extend(text.split())
    for name, words in rows:
        yield from (escape(name), f"   {escape(' '.join(words))}")


class _OptionsOf(SphinxDirective):
    required_arguments = 1
    optional_arguments = 1
    option_spec: ClassVar[OptionSpec] = {"bare": directives.flag}

    def run(self) -> list[nodes.Node]:
        try:
            parser = find_parser(*self.arguments)
        except (ImportError, AttributeError, ValueError) as error:
            raise self.error(f"options-of: {error}") from error
        return self.parse_text_to_nodes(describe(parser, bare="bare" in self.options))


def setup(app: Sphinx) -> ExtensionMetadata:
    """Add the directive to Sphinx."""
    app.add_directive("options-of", _OptionsOf)
    return {"version": __version__, "parallel_read_safe": True, "parallel_write_safe": True}
