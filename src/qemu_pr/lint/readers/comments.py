"""Takes out what nobody runs: the comments of scripts, units, templates and XML."""

import re
from collections.abc import Iterator

_BLOCK = re.compile(r"<!--.*?-->|\{#.*?#\}", re.DOTALL)
_LINE = re.compile(r"\s*(?:#(?!!)|;|//)")
_MATTERS = re.compile(
    r"pr-manager|scsi-(?:block|generic)|qemu|kvm|\s-(?:object|drive|blockdev|device)\b|args[:=]"
)
_PROMPT = re.compile(r"\s*#\s+(?:sudo\s+|env\s+|\w+=\S*\s+)*\S*(?:qemu|kvm)[\w-]*(?:\s|\Z)")
_SCRIPT = re.compile(
    r"\A#!|^\[[A-Z]\w+\]\s*$|^(?:export\s+)?\w+\+?=|^(?:exec\s+|\S*/)?(?:qemu-system\S*|qemu-kvm)\s",
    re.MULTILINE,
)
# What manuals and records of consoles have, and a text that begins with a command.
_CONSOLE = re.compile(r"^\s*(?:```|~~~|\.\. |[$>]\s)|::\s*$|\A\s*#\s+\S*(?:qemu|kvm)", re.MULTILINE)
_BESIDE_LINE_END = re.compile(r"[^\n]")


def without_comments(text: str) -> str:
    """Give a text without its comments, and with as many lines.

    A comment between the lines of a command stays: whoever reads the command judges it. In what is
    no script, ``#`` is the prompt of root where QEMU is behind it.

    Args:
        text: A script, a unit, a manual, XML.
    """
    return "\n".join(_lines(_without_blocks(text)))


def _without_blocks(text: str) -> str:
    """Take out comments that have an end, but those in a disk, which belong to its text."""
    kept, end = "", 0
    last = max(text.rfind("-->"), text.rfind("#}")) + len("-->")
    for match in _BLOCK.finditer(text, 0, last):
        kept += text[end : match.start()]
        in_disk = kept.rfind("<disk") > kept.rfind("</disk")
        kept += match[0] if in_disk else _BESIDE_LINE_END.sub("", match[0])
        end = match.end()
    return kept + text[end:]


def _lines(text: str) -> Iterator[str]:
    has_prompts = bool(_CONSOLE.search(text)) and not _SCRIPT.search(text)
    lines = text.split("\n")
    continued = False
    for line, following in zip(lines, [*lines[1:], ""], strict=True):
        goes_on = line.rstrip().endswith("\\")
        if not _LINE.match(line):
            continued = goes_on
        elif not continued:
            prompt = has_prompts and _PROMPT.match(line)
            if prompt and not (goes_on and _LINE.match(following)):
                continued = goes_on
            elif _MATTERS.search(line):
                yield ""
                continue
        yield line
