"""Completion for bash: one function for each program, and no need of other scripts."""

import re
import shlex
from collections.abc import Iterable, Iterator

from qemu_pr.cli.completion.grammar import Kind, Option, Program, Value

# bash takes "=" for a word of its own: --socket=/run is three words.
_FUNCTION = """\
{function}() {{
    local word=${{COMP_WORDS[COMP_CWORD]}} before=${{COMP_WORDS[COMP_CWORD-1]}} command= i
    COMPREPLY=()
    if [[ $word == '=' ]]; then
        word=
    elif [[ $before == '=' ]]; then
        before=${{COMP_WORDS[COMP_CWORD-2]}}
    fi
    for ((i = 1; i < COMP_CWORD; i++)); do
        case ${{COMP_WORDS[i]}} in {commands}) command=${{COMP_WORDS[i]}}; break ;; esac
    done
    case $command,$before in
{values}
    esac
    if [[ $word == -* ]]; then
        case $command in
{options}
        esac
        return
    fi
    case $command in
{operands}
    esac
}}
complete -F {function} {program}
"""

_OFFER = {
    Kind.NOTHING: ":",
    Kind.FILE: 'compopt -o filenames; mapfile -t COMPREPLY < <(compgen -f -- "$word")',
    Kind.DIRECTORY: 'compopt -o filenames; mapfile -t COMPREPLY < <(compgen -d -- "$word")',
}


def render(programs: Iterable[Program]) -> str:
    """Write the functions for some programs."""
    return "\n".join(map(_function, programs))


def _function(program: Program) -> str:
    parts = {"": program, **{command.name: command for command in program.commands}}
    return _FUNCTION.format(
        function="_" + re.sub(r"\W", "_", program.name),
        program=program.name,
        commands="|".join(filter(None, parts)) or "''",
        values="\n".join(line for name, part in parts.items() for line in _values(name, part)),
        options="\n".join(
            f"            {shlex.quote(name)}) {_words(_names(part.options))} ;;"
            for name, part in parts.items()
        ),
        operands="\n".join(
            f"        {shlex.quote(name)}) {_operand(part)} ;;" for name, part in parts.items()
        ),
    )


def _values(command: str, part: Program) -> Iterator[str]:
    for option in part.options:
        if option.value:
            patterns = "|".join(f"{command},{name}" for name in option.names)
            yield f"        {patterns}) {_offer(option.value)}; return ;;"


def _operand(part: Program) -> str:
    if part.commands:
        return _words(command.name for command in part.commands)
    return _offer(part.operand) if part.operand else ":"


def _offer(value: Value) -> str:
    return _words(value.choices) if value.choices else _OFFER[value.kind]


def _words(words: Iterable[str]) -> str:
    listed = shlex.quote(" ".join(words))
    return f'mapfile -t COMPREPLY < <(compgen -W {listed} -- "$word")'


def _names(options: Iterable[Option]) -> Iterator[str]:
    return (name for option in options for name in option.names)
