"""From the words of a command to QEMU's options and the properties that they set."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import pairwise

from qemu_pr.command_line.errors import CommandLineError
from qemu_pr.command_line.notation import OPTIONS, read
from qemu_pr.command_line.shell import Word
from qemu_pr.record import Record


class Argument(Record, beside=("start",)):
    """An option and the word after it.

    Attributes:
        option: The option's name without its dashes.
        value: The word after it; None if there is none, or if it is an option itself.
        line: The line that the option starts on; 0 in an argument vector.
        place: What it was read from, if that is no option of a command line: ``<disk> sda``.
        start: The place of the option's first character in the text.
    """

    option: str
    value: Word | None
    line: int
    place: str = ""
    start: int = 0

    def __str__(self) -> str:
        """Say where it is and what it says, for an error's text."""
        line = f"line {self.line}: " if self.line else ""
        option = f"-{self.option}" + (f" {self.value.text!r}" if self.value else "")
        return line + (self.place or option)


class Setting(Record):
    """An argument and the properties that it sets, as `notation.read` gives them."""

    argument: Argument
    properties: Mapping[str, str]


def arguments(words: Sequence[Word]) -> Iterator[Argument]:
    """Pair options with their values; the program and other operands are left out."""
    pairs = pairwise([*words, None])
    for word, following in pairs:
        if word is None or not word.text.startswith("-"):
            continue
        option = word.text.removeprefix("-").removeprefix("-")
        if following and (option in OPTIONS or not following.text.startswith("-")):
            next(pairs, None)  # the value has been read; only here may it look like an option
            yield Argument(option, following, word.line, start=word.start)
        else:
            yield Argument(option, None, word.line, start=word.start)


def settings(arguments: Iterable[Argument]) -> Iterator[Setting]:
    """Read the properties of the options that wire disks: the keys of `notation.OPTIONS`.

    Raises:
        CommandLineError: One of them has no value, or its value neither of QEMU's notations.
    """
    for argument in arguments:
        if argument.option not in OPTIONS:
            continue
        if argument.value is None:
            raise CommandLineError(str(argument), "has no value")
        try:
            yield Setting(argument, read(argument.option, argument.value.text))
        except CommandLineError as error:
            raise CommandLineError(str(argument), str(error)) from None
