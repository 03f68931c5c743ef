"""The directives with which a page says how its blocks are verified, or why one cannot be."""

import re
from typing import ClassVar

from docutils import nodes
from docutils.parsers.rst import directives
from sphinx.application import Sphinx
from sphinx.directives.code import CodeBlock
from sphinx.ext import doctest
from sphinx.util.docutils import SphinxDirective
from sphinx.util.typing import OptionSpec

from qemu_pr.verified_examples.examples import (
    Checked,
    Console,
    Example,
    InLab,
    NotVerified,
    PrintedBy,
    Program,
    Terms,
)
from qemu_pr.verified_examples.transcript import TranscriptError, parse

_PROGRAM = re.compile(
    r"(?P<name>\S+)(?:\s+(?P<relation><|>=)\s*(?P<release>\d+(?:\.\d+)*))?\s+\((?P<package>\S+)\)"
)


def programs(text: str) -> tuple[Program, ...]:
    """Read the option ``:requires:``: programs, with their packages, separated by commas.

    ``PROGRAM (PACKAGE)``; ``PROGRAM >= RELEASE (PACKAGE)``; ``PROGRAM < RELEASE (PACKAGE)``.
    """
    needs = [_PROGRAM.fullmatch(part.strip()) for part in text.split(",")]
    if not all(needs):
        raise ValueError("expected PROGRAM (PACKAGE), PROGRAM >= RELEASE (PACKAGE)...")
    return tuple(Program(**need.groupdict("")) for need in needs if need)


def seconds(text: str) -> float:
    """Read the option ``:timeout:``."""
    if (value := float(text)) <= 0:
        raise ValueError("expected a number of seconds")
    return value


def place(directive: SphinxDirective) -> tuple[str, int]:
    """Find the file and the line, counted from 1, at which a directive's text begins."""
    source, offset = directive.content.info(0)
    return source or "", (offset or 0) + 1


class _Marked(CodeBlock):
    """A code block that knows how it is verified, and where its text begins."""

    option_spec: ClassVar[OptionSpec] = {
        name: CodeBlock.option_spec[name]
        for name in ("caption", "class", "emphasize-lines", "name")
    }

    def example(self) -> Example:
        """Read the directive."""
        raise NotImplementedError

    def run(self) -> list[nodes.Node]:
        self.assert_has_content()
        source, line = place(self)
        try:
            example = self.example()
        except TranscriptError as error:
            report = self.state.document.reporter
            return [report.error(str(error), source=source, line=line + error.line)]
        if "hide" in self.options:
            rendered: list[nodes.Node] = [nodes.comment()]
        else:
            rendered = super().run()
        for node in rendered:
            for block in node.findall(nodes.FixedTextElement):  # inside a caption's container
                block["example"] = example
                block.source, block.line = source, line
        return rendered


class _Command(_Marked):
    """A block that is verified by running commands in one of the page's shells."""

    option_spec: ClassVar[OptionSpec] = _Marked.option_spec | {
        "requires": programs,
        "session": directives.unchanged_required,
        "timeout": seconds,
    }

    def terms(self) -> Terms:
        return Terms(
            session=self.options.get("session", ""),
            requires=self.options.get("requires", ()),
            timeout=self.options.get("timeout"),
        )


class ConsoleDirective(_Command):
    """``.. console::``: a transcript, whose commands print what it shows."""

    optional_arguments = 0
    option_spec: ClassVar[OptionSpec] = _Command.option_spec | {
        "exit": directives.nonnegative_int,
        "hide": directives.flag,
    }

    def example(self) -> Example:
        """Read the transcript."""
        self.arguments = ["console"]  # the language, for CodeBlock
        steps = parse("\n".join(self.content))
        return Console(self.terms(), tuple(steps), self.options.get("exit", 0))


class InLabDirective(_Marked):
    """``.. console-in-lab:: PLACE``: a transcript that the lab runs; it finds it by its class."""

    required_arguments = 1
    optional_arguments = 0

    def example(self) -> Example:
        """Check that it is a transcript."""
        (place,) = self.arguments
        self.arguments = ["console"]
        self.options["class"] = [*self.options.get("class", []), f"in-lab-{place}"]
        parse("\n".join(self.content))
        return InLab()


class VerifiedDirective(_Command):
    """``.. verified:: LANGUAGE``: a text to paste, that a command prints or checks."""

    required_arguments = 1
    optional_arguments = 0
    option_spec: ClassVar[OptionSpec] = _Command.option_spec | {
        "printed-by": directives.unchanged_required,
        "check": directives.unchanged_required,
    }

    def example(self) -> Example:
        """Read which command verifies the text."""
        text = "\n".join(self.content)
        match self.options:
            case {"printed-by": command} if "check" not in self.options:
                # A reader with another disk prints the text anew: show what to type.
                self.options.setdefault("caption", f"Printed by ``{command}``")
                return PrintedBy(self.terms(), command, text)
            case {"check": command} if "printed-by" not in self.options:
                return Checked(self.terms(), command, text)
        raise self.error("verified: needs either `:printed-by: COMMAND` or `:check: COMMAND`")


class NotVerifiedDirective(_Marked):
    """``.. not-verified:: LANGUAGE``: a text that cannot be verified here, and the reason."""

    required_arguments = 1
    optional_arguments = 0
    option_spec: ClassVar[OptionSpec] = _Marked.option_spec | {
        "because": directives.unchanged_required,
    }

    def example(self) -> Example:
        """Read the reason."""
        if "because" not in self.options:
            raise self.error("not-verified: needs the reason: `:because: REASON`")
        return NotVerified(self.options["because"])


class _Placed(SphinxDirective):
    """Put before a directive of sphinx.ext.doctest: makes it remember where its text begins."""

    def run(self) -> list[nodes.Node]:
        rendered = list(super().run())
        for node in rendered:
            if self.content:
                node.source, node.line = place(self)
        return rendered


DOCTEST_DIRECTIVES = {
    "doctest": doctest.DoctestDirective,
    "testcleanup": doctest.TestcleanupDirective,
    "testcode": doctest.TestcodeDirective,
    "testoutput": doctest.TestoutputDirective,
    "testsetup": doctest.TestsetupDirective,
}


def setup(app: Sphinx) -> None:
    """Register the directives."""
    app.add_directive("console", ConsoleDirective)
    app.add_directive("console-in-lab", InLabDirective)
    app.add_directive("verified", VerifiedDirective)
    app.add_directive("not-verified", NotVerifiedDirective)
    app.setup_extension("sphinx.ext.doctest")
    for name, directive in DOCTEST_DIRECTIVES.items():
        placed = type(directive.__name__, (_Placed, directive), {})
        app.add_directive(name, placed, override=True)
