"""Options in one text of another: a quoted string, a value of YAML over several lines."""

import re
from collections.abc import Iterator
from dataclasses import replace

from qemu_pr.command_line import proxmox
from qemu_pr.command_line.shell import Word
from qemu_pr.lint.command import Command
from qemu_pr.lint.readers.shell_words import may_have_more, program_in, words_of
from qemu_pr.lint.readers.words import ON_ONE_LINE, UNQUOTED, Dialect, command

_STARTS = r"(?=\s*(?:\w+=)?(?:--?[a-z]|\S*(?:qemu-system|qemu-kvm|kvm)\S*\s))"

# key: >-, and lines that are indented further.
_FOLDED = re.compile(
    r"^(?P<indent>[ \t]*)(?:-[ ]+)*(?:[\w.-]+:[ \t]+)?>[-+\d]*[ \t]*\n"
    r"(?P<value>(?:(?P=indent)[ \t]+\S[^\n]*(?:\n|\Z)|[ \t]*\n)+)",
    re.MULTILINE,
)
# key: word word, and more words on lines that are indented further.
_PLAIN = re.compile(
    rf"^(?P<indent>[ \t]*)(?:-[ ]+)*[a-z_][\w.-]*:[ \t]+(?P<value>{_STARTS}[^\s\"'>|&*{{\[#]"
    r"[^\n]*[^\\\n](?:\n(?P=indent)[ \t]+[^\s#][^\n]*[^\\\n])+)$",
    re.MULTILINE,
)
# Any string, so that none begins where another one ends; none has an empty line in it.
_QUOTED = re.compile(
    r"(?<![^\s=:(,\[{])(?:''(?=\s)(?P<nix>(?:(?!'').)*)''"
    r"|\"(?P<double>(?:[^\"\\\n]|\\.|\n(?!\s*\n))*)\"|'(?P<single>(?:[^'\n]|\n(?!\s*\n))*)')",
    re.DOTALL,
)
_BEGINS = re.compile(_STARTS)
_WIRES = re.compile(r"(?:\A|\s|=)--?(?:object|blockdev|drive|device)\s")
_MATTERS = re.compile(r"pr-manager|scsi-block")
_VARIABLE = re.compile(r"\s*\w+=(?=-)")
_PROXMOX = re.compile(r"(?:\bqm\s+(?:set|create)|\bpvesh\s)[^\n]*\s--?args[ =]\Z")


def read(text: str) -> tuple[list[Command], str]:
    """Read the strings of a text that have options.

    Args:
        text: The text, without comments.

    Returns:
        A command for each, and the text without them.
    """
    found = []
    for pattern in (_FOLDED, _PLAIN, _QUOTED):
        for match in list(pattern.finditer(text)):
            kept = match.lastgroup or ""
            if (
                not _BEGINS.match(match[kept])
                or not _WIRES.search(match[kept])
                or not _MATTERS.search(match[kept])
            ):
                continue
            one = _command(text, *match.span(kept), pattern is _QUOTED)
            if one is not None:
                found.append(one)
                start, end = match.span()
                text = text[:start] + re.sub(r"[^\n]", " ", text[start:end]) + text[end:]
    return found, text


def _command(text: str, start: int, end: int, quoted: bool) -> Command | None:
    """Make a command of a part of a text.

    Args:
        text: The text.
        start: Where the part begins.
        end: Where it ends.
        quoted: It is in quotes already.
    """
    first = text.rfind("\n", 0, start) + 1
    if not quoted:
        first = (
            text.rfind("\n", 0, max(first - 1, 0)) + 1 if not text[first:start].strip() else first
        )
    last = text.find("\n", end)
    shown = text[first : len(text) if last < 0 else last].rstrip()
    inner = text[start:end]
    for_proxmox = bool(_PROXMOX.search(text[first : start - 1]))
    if for_proxmox:
        words = [] if "\\" in inner else list(proxmox.split(inner))
    else:
        words, _ = words_of(inner)
    words = [
        word.but(
            line=text.count("\n", 0, start + word.start) + 1,
            start=word.start + start - first,
            end=word.end + start - first,
        )
        for word in _without_name(words)
    ]
    if not words:
        return None
    program = program_in(words)
    dialect: Dialect = UNQUOTED if quoted else ON_ONE_LINE
    found = command(
        shown,
        words,
        dialect,
        lambda text: read(text)[0],
        program="kvm" if for_proxmox else "" if program is None else words[program].text,
        closed=not may_have_more(words[program or 0 :]),
        clean=_dedented,
    )
    if for_proxmox:
        return replace(found, controller=proxmox.CONTROLLER, elsewhere=_is_of_proxmox)
    return found


def _is_of_proxmox(name: str) -> bool:
    """Tell whether Proxmox VE has told QEMU of a drive by then."""
    return name.startswith("drive-")


def _without_name(words: list[Word]) -> Iterator[Word]:
    """Leave out the name of a variable before the first option."""
    for number, word in enumerate(words):
        name = _VARIABLE.match(word.text) if number == 0 else None
        if name:
            yield word.but(text=word.text[name.end() :], start=word.start + name.end())
        else:
            yield word


def _dedented(text: str) -> str:
    indent = len(text) - len(text.lstrip())
    return "\n".join(re.sub(rf"\A[ \t]{{0,{indent}}}", "", line) for line in text.split("\n"))
