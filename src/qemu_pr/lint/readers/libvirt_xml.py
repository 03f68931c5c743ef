"""libvirt's domain XML: each ``<disk>`` with reservations, as what QEMU is told for it."""

import re
from collections.abc import Sequence
from textwrap import dedent

from qemu_pr.command_line import elements, libvirt
from qemu_pr.command_line.errors import CommandLineError
from qemu_pr.lint.command import Change, Command, Remedy

_DISK = re.compile(r"<disk\b.*?</disk\s*>", re.DOTALL)
_DOCUMENT = re.compile(
    r"\s*(<\?xml.*?\?>\s*)?(<!--.*?-->\s*)*<(domain|domstatus|disk)\b", re.DOTALL
)
_START_TAG = re.compile(r"<(?:[^<>\"']|\"[^\"]*\"|'[^']*')*>")
_READ_ONLY = re.compile(r"[ \t]*<readonly\s*/>[ \t]*\n?")
_OTHER_ADDRESS = re.compile(r"[ \t]*<address\s+type=(?!.drive)[^>]*/>[ \t]*\n?")
_BESIDE_LINE_END = re.compile(r"[^\n]")

# Where a property of QEMU's stands in the XML: the elements on the way to it, and the attribute.
_ATTRIBUTES = {
    ("device", "driver"): (((), "device", "lun"), (("target",), "bus", "scsi")),
    ("object", "path"): ((("source", "reservations", "source"), "path", None),),
    ("blockdev", "file.filename"): ((("source",), "dev", None),),
    ("blockdev", "file.driver"): (((), "type", "block"),),
}


def read(text: str) -> tuple[list[Command], str]:
    """Read the disks with reservations of a text.

    Args:
        text: A domain's XML, or a manual that shows such elements.

    Returns:
        A command for each, and the text without XML.

    Raises:
        CommandLineError: The text as a whole is XML of libvirt, and not well formed.
    """
    if _DOCUMENT.match(text):
        elements.read(text)
    found = []
    for match in _DISK.finditer(text):
        indent = text[text.rfind("\n", 0, match.start()) + 1 : match.start()]
        shown = dedent((indent if indent.isspace() else "") + match[0])
        found += _commands(shown, text.count("\n", 0, match.start()))
    return found, _DISK.sub(lambda match: _BESIDE_LINE_END.sub("", match[0]), text)


def _commands(text: str, before: int) -> list[Command]:
    try:
        disk = elements.read(text).first("disk")
    except CommandLineError:
        return []  # some lines of a manual, with dots for the rest
    if not libvirt.reserved(disk) or disk.attributes.get("type") == "network":
        return []  # what QEMU reaches over a network itself needs no manager
    command = Command(
        line=before + 1,
        program="libvirt",
        whole=True,
        settings=tuple(libvirt.settings(disk, before)),
        misread=(),
        correct=lambda remedies: _corrected(text, remedies),
        read=lambda text: _commands(text, before),
    )
    return [command]


def _corrected(text: str, remedies: Sequence[Remedy]) -> str:
    for remedy in remedies:
        if not isinstance(remedy, Change):
            continue
        place = (remedy.setting.argument.option, remedy.key)
        for path, attribute, value in _ATTRIBUTES.get(place, ()):
            text = _with_attribute(text, path, attribute, value or remedy.value)
        if remedy.key == "driver":
            text = _OTHER_ADDRESS.sub("", text)
        if remedy.key == "read-only":
            text = _READ_ONLY.sub("", text)
    return text


def _with_attribute(text: str, path: Sequence[str], attribute: str, value: str) -> str:
    element = elements.read(text).first("disk")
    for tag in path:
        element = element.first(tag)
    found = _START_TAG.match(text, element.start)
    if not found:
        return text
    given = libvirt.quote(value)
    tag, count = re.subn(
        rf"""(\s{attribute}\s*=\s*)("[^"]*"|'[^']*')""",
        lambda match: match[1] + given,
        found[0],
        count=1,
    )
    if not count:
        tag = re.sub(r"\A<[\w:.-]+", lambda match: f"{match[0]} {attribute}={given}", tag)
    return text[: found.start()] + tag + text[found.end() :]
