"""Completion for zsh: one file for all programs, with the help of each option."""

import re
from collections.abc import Iterable, Iterator

from qemu_pr.cli.completion.grammar import Kind, Option, Program, Value

_OFFER = {Kind.NOTHING: " ", Kind.FILE: "_files", Kind.DIRECTORY: "_files -/"}

_WITH_COMMANDS = """\
{function}() {{
    local context state state_descr line
    typeset -A opt_args
    _arguments -C \\
{arguments}
        '1: :->command' \\
        '*:: :->rest'
    case $state in
    command)
        local -a commands=(
{commands}
        )
        _describe command commands
        ;;
    rest)
        case $line[1] in
{functions}
        esac
        ;;
    esac
}}
"""

_WITHOUT = """\
{function}() {{
    _arguments \\
{arguments}
}}
"""

_FILE = """\
#compdef {programs}

{functions}
case $service in
{services}
esac
"""


def render(programs: Iterable[Program]) -> str:
    """Write the file for some programs."""
    programs = list(programs)
    return _FILE.format(
        programs=" ".join(program.name for program in programs),
        functions="\n".join(text for program in programs for text in _functions(program)),
        services="\n".join(f'{one.name}) {_name(one.name)} "$@" ;;' for one in programs),
    )


def _functions(program: Program) -> Iterator[str]:
    for command in program.commands:
        yield _WITHOUT.format(
            function=_name(program.name, command.name), arguments=_arguments(command)
        )
    if not program.commands:
        yield _WITHOUT.format(function=_name(program.name), arguments=_arguments(program))
        return
    yield _WITH_COMMANDS.format(
        function=_name(program.name),
        arguments=_arguments(program) + " \\",
        commands="\n".join(
            f"            {_quote(f'{command.name}:{_plain(command.help)}')}"
            for command in program.commands
        ),
        functions="\n".join(
            f"        {command.name}) {_name(program.name, command.name)} ;;"
            for command in program.commands
        ),
    )


def _name(*words: str) -> str:
    return "_" + "_".join(re.sub(r"\W", "_", word) for word in words)


def _arguments(part: Program) -> str:
    specs = [spec for option in part.options for spec in _option(option)]
    if part.operand:
        specs.append(f"*:{_plain(part.operand.name)}:{_offer(part.operand)}")
    return " \\\n".join(f"        {_quote(spec)}" for spec in specs)


def _option(option: Option) -> Iterator[str]:
    help_ = re.sub(r"([\[\]\\])", r"\\\1", option.help)
    for name in option.names:
        if option.value is None:
            yield f"*{name}[{help_}]"
        else:
            equals = "=" if name.startswith("--") else "+"
            value = f":{_plain(option.value.name)}:{_offer(option.value)}"
            yield f"*{name}{equals}[{help_}]{value}"


def _offer(value: Value) -> str:
    return f"({' '.join(value.choices)})" if value.choices else _OFFER[value.kind]


def _plain(text: str) -> str:
    """Write text where zsh takes a colon for the end of it."""
    return text.replace("\\", "\\\\").replace(":", r"\:")


def _quote(spec: str) -> str:
    quoted = spec.replace("'", r"'\''")
    return f"'{quoted}'"
