"""Console transcripts: which commands a block shows, and whether their output is what it says."""

import difflib
import doctest
from dataclasses import dataclass

PROMPT = "$ "
CONTINUATION = "> "
SHOW_STATUS = "echo $?"

_AS_WRITTEN = doctest.ELLIPSIS | doctest.DONT_ACCEPT_BLANKLINE | doctest.DONT_ACCEPT_TRUE_FOR_1


class TranscriptError(ValueError):
    """A block that is no transcript.

    Attributes:
        line: The line at fault, counted from 0 at the first line of the block.
    """

    def __init__(self, line: int, message: str) -> None:
        super().__init__(message)
        self.line = line


@dataclass(frozen=True, slots=True)
class Step:
    """A command and what it prints.

    Attributes:
        line: The line of the prompt, counted from 0 at the first line of the block.
        command: What is typed: one line or several, without prompts.
        expected: What the block says is printed, standard output and standard error together.
    """

    line: int
    command: str
    expected: str

    def __str__(self) -> str:
        """Give the first line as the reader sees it."""
        return PROMPT + self.command.partition("\n")[0]


def parse(text: str) -> list[Step]:
    r"""Split a transcript into its commands.

    A command begins with ``$ ``. It goes on in lines that begin with ``> ``, and after a line that
    ends with ``\`` (the ``> `` may then be missing, as in a command line that is meant to be
    pasted). Everything else is output.

    Raises:
        TranscriptError: There is no command, output comes before the first one, or a line of output
            looks like the rest of a command: readers and the copy button would take it for one.
    """
    steps: list[Step] = []
    line, command, output = 0, list[str](), list[str]()

    def finish() -> None:
        if command:
            steps.append(Step(line, "\n".join(command), "\n".join(output)))

    for number, row in enumerate(text.split("\n")):
        typed = f"{row} "  # reStructuredText drops the blank behind a prompt with nothing after it
        if typed.startswith(PROMPT):
            finish()
            line, command, output = number, [row[len(PROMPT) :]], []
        elif not command:
            raise TranscriptError(number, "a transcript begins with a command: '$ command'")
        elif output and typed.startswith(CONTINUATION):
            raise TranscriptError(number, "'> ' continues a command, but output came before it")
        elif not output and typed.startswith(CONTINUATION):
            command.append(row[len(CONTINUATION) :])
        elif not output and command[-1].endswith("\\"):
            command.append(row)
        else:
            output.append(row)
    finish()
    if not steps:
        raise TranscriptError(0, "a transcript needs a command: '$ command'")
    return steps


def normal(text: str) -> str:
    """Make texts comparable: without what reStructuredText, or a terminal, does not keep.

    That is: blanks at the ends of lines, empty lines at the end, and tabs.
    """
    return "\n".join(line.rstrip() for line in text.expandtabs().splitlines()).rstrip("\n")


def matches(expected: str, got: str) -> bool:
    """Compare output with what the page says, where ``...`` stands for any text, as in doctest."""
    return doctest.OutputChecker().check_output(f"{expected}\n", f"{got}\n", _AS_WRITTEN)


def difference(expected: str, got: str) -> str:
    """Show how output differs from what the page says, as a unified diff."""
    want, have = expected.splitlines(), got.splitlines()
    return "\n".join(difflib.unified_diff(want, have, "the page", "the program", lineterm=""))


def fill_in(expected: str, got: str) -> str:
    """Replace lines with wildcards by the output they stand for, so that a diff passes them over.

    Only where page and output have equally many lines: elsewhere it is unknown which is which.
    """
    want, have = expected.splitlines(), got.splitlines()
    if len(want) != len(have):
        return expected
    return "\n".join(h if matches(w, h) else w for w, h in zip(want, have, strict=True))


def first_difference(expected: str, got: str) -> int:
    """Find the first line of the page's text that differs, counted from 0."""
    want, have = expected.split("\n"), got.split("\n")
    pairs = enumerate(zip(want, have, strict=False))
    end = min(len(want), len(have))
    return min(next((i for i, (w, h) in pairs if w != h), end), len(want) - 1)
