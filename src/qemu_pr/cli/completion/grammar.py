"""What may stand where in a program's command line, taken from its parser."""

import argparse
from dataclasses import dataclass
from enum import Enum
from typing import Self


class Kind(Enum):
    """What a shell may offer for a value that is none of a few choices."""

    NOTHING = "nothing"
    FILE = "file"
    DIRECTORY = "directory"


_KINDS = {
    **dict.fromkeys(("PATH", "FILE", "DISK", "PEER", "DEVICE", "STATE"), Kind.FILE),
    "DIR": Kind.DIRECTORY,
}


@dataclass(frozen=True, slots=True)
class Value:
    """A value that is typed.

    Attributes:
        name: What the help calls it.
        choices: What it may be; empty if it is free.
        kind: What it is, if it is free.
    """

    name: str
    choices: tuple[str, ...]
    kind: Kind

    @classmethod
    def of(cls, action: argparse.Action) -> Self:
        """Take over what a parser knows."""
        name = str(action.metavar or action.dest)
        return cls(name, tuple(map(str, action.choices or ())), _KINDS.get(name, Kind.NOTHING))


@dataclass(frozen=True, slots=True)
class Option:
    """An option.

    Attributes:
        names: Its short and long forms.
        help: What it does, in a line.
        value: What follows it; None if nothing does.
    """

    names: tuple[str, ...]
    help: str
    value: Value | None


@dataclass(frozen=True, slots=True)
class Program:
    """A program or a command of it.

    Attributes:
        name: The program, or the command alone.
        help: What it does, in a line; empty for a program.
        options: Its options.
        operand: What its operands are; None if it takes none.
        commands: Its commands.
    """

    name: str
    help: str
    options: tuple[Option, ...]
    operand: Value | None
    commands: "tuple[Program, ...]"

    @classmethod
    def of(cls, parser: argparse.ArgumentParser, help_: str = "") -> Self:
        """Take over what a parser knows."""
        options = []
        operand = None
        commands: tuple[Program, ...] = ()
        for action in parser._actions:
            if isinstance(action, argparse._SubParsersAction):
                helps = {one.dest: one.help or "" for one in action._choices_actions}
                commands = tuple(
                    cls.of(command, helps[name]) for name, command in action.choices.items()
                )
            elif not action.option_strings:
                operand = Value.of(action)
            elif action.help is not argparse.SUPPRESS:
                options.append(_option(parser, action))
        return cls(parser.prog.split()[-1], help_, tuple(options), operand, commands)


def _option(parser: argparse.ArgumentParser, action: argparse.Action) -> Option:
    help_ = parser._get_formatter()._expand_help(action) if action.help else ""
    value = None if action.nargs == 0 else Value.of(action)
    return Option(tuple(action.option_strings), help_, value)
