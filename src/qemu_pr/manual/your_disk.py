"""Tells the reader's browser where a block names the manual's disk or socket, to put in others.

A block that has such a place gets the attribute ``data-yours``: in JSON, a list of `Place` for its
text, and one for its caption. ``your_disk.js`` puts the reader's paths there. It has no parser:
what has to be read is read here, by what reads command lines elsewhere, and the attribute says by
which notations to write a path.
"""

import json
import re
from collections.abc import Iterator
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx

from qemu_pr.command_line import proxmox, shell
from qemu_pr.command_line.errors import CommandLineError
from qemu_pr.command_line.model import DEFAULT_SOCKET
from qemu_pr.command_line.notation import OPTIONS
from qemu_pr.command_line.shell import Word
from qemu_pr.lint.sphinx import FAULTY
from qemu_pr.verified_examples.lexer import with_blanks
from qemu_pr.verified_examples.transcript import parse

STAND_INS = {
    "/dev/sdb": "disk",
    "/dev/disk/by-id/wwn-0x6001405000000001": "disk",
    "/dev/mapper/mpatha": "disk",
    DEFAULT_SOCKET: "socket",
}
"""The paths that the manual has in the place of the reader's, and whose place that is."""

IN_GUEST = "in-lab-guest"
"""How the class of a guest's transcript begins: a guest has names of its own for its disks."""

_PATH = "|".join(map(re.escape, STAND_INS))
_WHOLE = re.compile(f"(?P<before>(?:--?[a-z-]+=)?)(?P<path>{_PATH})")
_IN_KEYVAL = re.compile(f"(?<==)(?P<path>{_PATH})(?=,(?!,)|$)")
_IN_JSON = re.compile(f'(?<=")(?P<path>{_PATH})(?=")')
_IN_XML = re.compile(f"(?<==)'(?P<path>{_PATH})'")
_IN_OUTPUT = re.compile(f"(?:(?<=\\s)|^)(?P<path>{_PATH})(?=[:\\s]|$)", re.MULTILINE)
_PROXMOX = re.compile("^args: ", re.MULTILINE)

# What takes a socket, and the default one if it is not told.
_WITH_SOCKET = ("command-line", "doctor", "status", "units")

Part = str | tuple[str, str, str]
"""Text that stays; or whose path belongs here (a value of `STAND_INS`), how to write it, and what
stands there as long as the reader has named none."""

Place = tuple[int, str, list[Part], str]
"""Where a text begins, the text, what it consists of, and how all of it is quoted.

Paths are written, and the whole is quoted, by a function of ``your_disk.js``.
"""


def setup(app: Sphinx) -> None:
    """Have blocks tell their places in HTML."""
    app.add_node(nodes.literal_block, override=True, html=(_visit, None))
    app.add_js_file("your_disk.js")


def places(text: str, language: str) -> list[Place]:
    """Find where a text names a disk or a socket that stands in for the reader's.

    Args:
        text: A block's text, as the browser has it.
        language: The language that it is highlighted in.

    Returns:
        Places in their order; none where nobody can know how to write another path.
    """
    match language:
        case "shell" | "sh":
            return list(_in_shell(text))
        case "console":
            return list(_in_transcript(text))
        case "xml":
            return list(_in(_IN_XML, text, "xml"))
        case "json":
            return list(_in(_IN_JSON, text, "json"))
        case _ if line := _PROXMOX.match(text):
            words = proxmox.split(text[line.end() :], line.end())
            return list(_in_words(list(words), text, "proxmox"))
    return []


def _visit(translator: Any, node: nodes.literal_block) -> None:
    try:
        type(translator).visit_literal_block(translator, node)  # the translator's own
    except nodes.SkipNode:
        found = {"text": _places_of_block(node), "caption": _places_of_caption(node)}
        if any(found.values()):
            data = translator.attval(json.dumps(found, separators=(",", ":")))
            translator.body[-1] = translator.body[-1].replace(
                "<div", f'<div data-yours="{data}"', 1
            )
        raise


def _places_of_block(node: nodes.literal_block) -> list[Place]:
    if any(name == FAULTY or name.startswith(IN_GUEST) for name in node["classes"]):
        return []
    language = node.get("language", "")
    text = with_blanks(node.astext()) if language == "console" else node.astext()
    return places(text, language)


def _places_of_caption(node: nodes.literal_block) -> list[Place]:
    if not isinstance(node.parent, nodes.container):
        return []
    commands = [
        literal
        for one in node.parent.findall(nodes.caption)
        for literal in one.findall(nodes.literal)
    ]
    return [place for command in commands[:1] for place in places(command.astext(), "shell")]


def _in(pattern: re.Pattern[str], text: str, how: str, offset: int = 0) -> Iterator[Place]:
    for found in pattern.finditer(text):
        yield offset + found.start(), found[0], [_part(found, how)], ""


def _in_shell(text: str, offset: int = 0) -> Iterator[Place]:
    try:
        words = [token for token in shell.tokens(text) if isinstance(token, Word)]
    except CommandLineError:
        return
    for start, shown, parts, quote in _in_words(words, text, "shell"):
        yield offset + start, shown, parts, quote


def _in_words(words: list[Word], text: str, quote: str) -> Iterator[Place]:
    named = {word.text for word in words}
    for before, word in zip([Word(""), *words], words, strict=False):
        shown = text[word.start : word.end]
        if before.text == "qemu-pr" and word.text in _WITH_SOCKET:
            if not {"--socket", "--managed"} & named:
                yield word.start, shown, [shown, ("socket", "option", "")], ""
        elif not word.expands and len(parts := _parts(before.text, word.text)) > 1:
            yield word.start, shown, parts, quote


def _parts(option: str, word: str) -> list[Part]:
    """Split a word into text and paths; only text if it names no disk and no socket."""
    if not (option.startswith("-") and option.lstrip("-") in OPTIONS):
        whole = _WHOLE.fullmatch(word)
        return [whole["before"], _part(whole, "plain")] if whole else [word]
    pattern, how = (_IN_JSON, "json") if word.startswith("{") else (_IN_KEYVAL, "qemu")
    parts: list[Part] = []
    end = 0
    for found in pattern.finditer(word):
        parts += [word[end : found.start()], _part(found, how)]
        end = found.end()
    return [*parts, word[end:]]


def _part(found: re.Match[str], how: str) -> Part:
    return STAND_INS[found["path"]], how, found[0] if how == "xml" else found["path"]


def _in_transcript(text: str) -> Iterator[Place]:
    """Look at commands, and at what one that has a place prints."""
    rows = text.splitlines(keepends=True)
    starts = [sum(map(len, rows[:number])) for number in range(len(rows) + 1)]
    for step in parse(text):
        lines = step.command.count("\n") + 1
        if "\n" in step.command and text.startswith("> ", starts[step.line + 1]):
            continue  # a here-document: who reads it, only the command knows
        start, output = starts[step.line] + len("$ "), starts[step.line + lines]
        if "qemu-pr lint" in step.command:
            continue  # what it finds is in a text of its own
        if found := list(_in_shell(step.command, start)):
            yield from found
            yield from _in_output(step.expected, output)


def _in_output(text: str, offset: int) -> Iterator[Place]:
    if " -blockdev " in text or " -drive " in text:
        yield from _in_shell(text, offset)
    else:
        found = [*_in(_IN_XML, text, "xml", offset), *_in(_IN_OUTPUT, text, "plain", offset)]
        yield from sorted(found, key=lambda place: place[0])
