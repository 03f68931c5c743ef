"""The option reference, as sphinx-argparse reads it from the parsers, so that it cannot drift.

::

    .. argparse::
       :ref: qemu_pr.manual.option_lists.qemu_pr
       :path: persist
       :nosubcommands:
       :nodefault:
       :nodefaultconst:

What sphinx-argparse lacks is added here. Before it reads a parser: metavariables, ``--help``, and
text that has no markup of reStructuredText becomes text that has. Behind it: Sphinx's own
``option`` directive lays the options out, so that ``:option:`` can refer to them; groups that
argparse makes by itself have no heading; and the usage, which a man page tells as its synopsis, is
left out.
"""

import argparse
import re
import textwrap
from collections.abc import Iterator

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.rst import escape
from sphinxarg.ext import ArgParseDirective  # type: ignore[import-untyped]

from qemu_pr.cli import qemu_pr as _qemu_pr
from qemu_pr.cli import qemu_pr_helper as _qemu_pr_helper

# What sphinx-argparse calls the groups that argparse makes by itself; a reader sees what is what.
_ARGPARSE_TITLES = {"Named Arguments", "Positional Arguments"}

# The first column of a table in an epilog, with the blanks behind it.
_FIRST_COLUMN = re.compile(r" *\S+( \S+)*  +")


def qemu_pr() -> argparse.ArgumentParser:
    """Give the parser of ``qemu-pr`` in the words of a manual."""
    return in_words_of_a_manual(_qemu_pr.build_parser())


def qemu_pr_helper() -> argparse.ArgumentParser:
    """Give the parser of ``qemu-pr-helper`` in the words of a manual."""
    return in_words_of_a_manual(_qemu_pr_helper.build_parser())


def in_words_of_a_manual(parser: argparse.ArgumentParser) -> argparse.ArgumentParser:
    """Make a parser tell what sphinx-argparse does not ask for: it parses nothing any more.

    Args:
        parser: The parser, which is changed, and with it those of its subcommands.
    """
    parser.description = _in_markup(parser.description)
    parser.epilog = _in_markup(parser.epilog)
    for group in parser._action_groups:
        commands = [one for one in group._group_actions if isinstance(one, _SubParsers)]
        for command in commands:
            for subparser in command.choices.values():
                in_words_of_a_manual(subparser)
        shown = [one for one in group._group_actions if one not in commands]
        group.description = _in_markup(group.description)
        group._group_actions = [_told(parser, one) for one in shown if one.help != _SUPPRESS]
    return parser


_SubParsers = argparse._SubParsersAction
_SUPPRESS = argparse.SUPPRESS


def _told(parser: argparse.ArgumentParser, action: argparse.Action) -> argparse.Action:
    """Write an action's metavariable behind each of its names, and its help as a sentence."""
    formatter = argparse.HelpFormatter(parser.prog)
    options = action.option_strings
    default = action.dest.upper() if options else action.dest
    value = "" if action.nargs == 0 else formatter._format_args(action, default)
    text = formatter._expand_help(action) if action.help else ""
    return argparse.Action(
        [f"{name} {value}".strip() for name in options],
        action.dest,
        metavar=value,
        help=escape(f"{text[:1].upper()}{text[1:]}.").replace("%", "%%"),
    )


def _in_markup(text: str | None) -> str:
    return "\n".join(_paragraphs(text or ""))


def _paragraphs(text: str) -> Iterator[str]:
    for paragraph in text.split("\n\n"):
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


class _Options(ArgParseDirective):  # type: ignore[misc]
    def run(self) -> list[nodes.Node]:
        program = f"{self.options['ref'].rpartition('.')[2]} {self.options.get('path', '')}"
        self.parse_text_to_nodes(f".. program:: {program.replace('_', '-')}")
        return [node for found in super().run() for node in self._laid_out(found)]

    def _laid_out(self, found: nodes.Node) -> Iterator[nodes.Node]:
        match found:
            case nodes.literal_block():
                pass  # the usage
            case nodes.paragraph():  # around those of a description
                yield from found.children
            case nodes.section():
                title, *rest = found.children
                if title.astext() not in _ARGPARSE_TITLES:
                    yield nodes.rubric("", title.astext())
                for one in rest:
                    yield from self._laid_out(one)
            case nodes.option_list():
                for item in found.findall(nodes.option_list_item):
                    names, description = item.children
                    index, option = self.parse_text_to_nodes(f".. option:: {names.astext()}")
                    option.children[-1] += description.children
                    yield from (index, option)
            case _:
                yield found


def setup(app: Sphinx) -> None:
    """Have the directive of sphinx-argparse lay options out as Sphinx does."""
    app.setup_extension("sphinxarg.ext")
    app.add_directive("argparse", _Options, override=True)
