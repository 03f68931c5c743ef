"""libvirt's domain XML: disks as what QEMU is told for them, and options for QEMU itself.

What libvirt refuses or passes over is mended first, and the rest read from the mended text.
"""

import re
from collections.abc import Sequence
from dataclasses import replace
from textwrap import dedent

from qemu_pr.command_line import elements, libvirt
from qemu_pr.command_line.elements import START_TAG, Element
from qemu_pr.command_line.errors import CommandLineError
from qemu_pr.command_line.model import DEFAULT_SOCKET
from qemu_pr.command_line.shell import Word
from qemu_pr.lint.command import Change, Command, FaultyPlace, Remedy
from qemu_pr.lint.met import Met
from qemu_pr.lint.readers.words import Dialect, command

_DISK = re.compile(r"<disk\b.*?</disk\s*>", re.DOTALL)
_DOCUMENT = re.compile(
    r"\s*(<\?xml.*?\?>\s*)?(<!--.*?-->\s*)*<(domain|domstatus|disk)\b", re.DOTALL
)
_COMMAND_LINE = re.compile(r"<qemu:commandline\b.*?</qemu:commandline\s*>", re.DOTALL)
_READ_ONLY = re.compile(r"[ \t]*<readonly\s*/>[ \t]*\n?")
_OTHER_ADDRESS = re.compile(r"[ \t]*<address\s+type=(?!.drive)[^>]*/>[ \t]*\n?")
_BESIDE_LINE_END = re.compile(r"[^\n]")

# Where a property of QEMU's stands in the XML: the elements on the way to it, and the attribute.
_ATTRIBUTES = {
    ("device", "driver"): (((), "device", "lun"), (("target",), "bus", "scsi")),
    ("object", "path"): ((("source", "reservations", "source"), "path", None),),
    ("blockdev", "file.filename"): ((("source",), "dev", None),),
    ("blockdev", "file.driver"): (((), "type", "block"),),
    ("blockdev", "driver"): ((("driver",), "type", "raw"),),
}
_RESERVATIONS = ("source", "reservations")
_SOCKET = {"type": "unix", "mode": "client"}


def read(text: str) -> tuple[list[Command], str]:
    """Read the disks of a text that have reservations, or are passed through.

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
    for pattern, commands in ((_DISK, _commands), (_COMMAND_LINE, _command_lines)):
        for match in pattern.finditer(text):
            indent = text[text.rfind("\n", 0, match.start()) + 1 : match.start()]
            shown = dedent((indent if indent.isspace() else "") + match[0])
            found += commands(shown, text.count("\n", 0, match.start()))
        text = pattern.sub(lambda match: _BESIDE_LINE_END.sub("", match[0]), text)
    return found, text


def _command_lines(text: str, before: int) -> list[Command]:
    """Read what libvirt adds to QEMU's options, word by word."""
    try:
        given = elements.read(text).first("qemu:commandline")
    except CommandLineError:
        return []
    words = [
        Word(one.attributes.get("value", ""), one.line + before, start=one.start, end=one.end)
        for one in given.all("qemu:arg")
    ]
    indent = _indent_of(text, given.inside[0].start) if given.inside else ""
    found = command(
        text,
        words,
        Dialect(lambda word, _: f"<qemu:arg value={libvirt.quote(word)}/>", blank=f"\n{indent}"),
        lambda text: _command_lines(text, before),
        program="libvirt",
        line=before + 1,
    )
    # libvirt tells QEMU of its own controllers and drives besides.
    return [replace(found, line=before + 1, controller=None, elsewhere=_is_of_libvirt)]


def _is_of_libvirt(name: str) -> bool:
    return name.startswith(("drive-", "libvirt-"))


def _commands(text: str, before: int) -> list[Command]:
    try:
        text, misread = _mended(text, before)
        disk = elements.read(text).first("disk")
    except CommandLineError:
        return []  # some lines of a manual, with dots for the rest
    matters = libvirt.reserved(disk) or disk.attributes.get("device") == "lun"
    if not matters or disk.attributes.get("type") == "network":
        return []  # what QEMU reaches over a network itself needs no manager
    command = Command(
        line=before + 1,
        program="libvirt",
        closed=True,
        settings=tuple(libvirt.settings(disk, before)),
        misread=tuple(misread),
        correct=lambda remedies: _corrected(text, remedies),
        read=lambda text: _commands(text, before),
    )
    return [command]


def _mended(text: str, before: int) -> tuple[str, list[tuple[Met, FaultyPlace]]]:
    """Put ``<reservations>`` where libvirt reads them, with what it wants in them.

    Returns:
        The text, and what was wrong.
    """
    disk = elements.read(text).first("disk")
    name = f"<disk> {disk.first('target').attributes.get('dev', '')}".rstrip()
    misread = []
    for one in disk.all("reservations"):
        if one in disk.first("source").all("reservations") or not disk.has("source"):
            continue
        misread.append((Met.MISPLACED_RESERVATIONS, FaultyPlace(one.line + before, name)))
        chunk = text[one.start : one.end]
        text = _without(text, one)
        if not disk.first("source").has("reservations"):
            text = _with_child(text, ("source",), chunk)
        break
    reservations = _at(text, _RESERVATIONS)
    if not libvirt.reserved(elements.read(text).first("disk")):
        return text, misread
    given = reservations.attributes
    managed = given.get("managed")
    wrong = []
    if managed not in ("yes", "no"):
        wrong.append("no managed" if managed is None else f"managed={managed!r}")
        managed = "no" if reservations.has("source") or "path" in given else "yes"
        text = _with_attribute(text, _RESERVATIONS, "managed", managed)
    if managed == "no" and not reservations.has("source"):
        wrong.append("managed='no' without a socket")
        path = libvirt.quote(given.get("path", DEFAULT_SOCKET))
        socket = f"<source type='unix' path={path} mode='client'/>"
        text = _with_child(_without_attribute(text, _RESERVATIONS, "path"), _RESERVATIONS, socket)
    elif managed == "no":
        for attribute, value in _SOCKET.items():
            if reservations.first("source").attributes.get(attribute) != value:
                wrong.append(f"no {attribute}={value!r}")
                text = _with_attribute(text, (*_RESERVATIONS, "source"), attribute, value)
    line = reservations.line + before
    return text, [*misread, *((Met.MANAGED, FaultyPlace(line, f"{name}: {one}")) for one in wrong)]


def _at(text: str, path: Sequence[str]) -> Element:
    """Find an element of a disk's text; one without attributes if it is not there."""
    element = elements.read(text).first("disk")
    for tag in path:
        element = element.first(tag)
    return element


def _indent_of(text: str, place: int) -> str:
    before = text[text.rfind("\n", 0, place) + 1 : place]
    return before if not before.strip() else ""


def _without(text: str, element: Element) -> str:
    """Take an element out, and its lines if nothing else is in them."""
    before, after = text[: element.start], text[element.end :]
    return before.rstrip(" \t").removesuffix("\n") + after if after[:1] == "\n" else before + after


def _with_child(text: str, path: Sequence[str], child: str) -> str:
    """Put an element into another one, as its first."""
    element = _at(text, path)
    found = START_TAG.match(text, element.start)
    if not found:
        return text
    indent = _indent_of(text, element.start)
    tag, after = found[0], text[found.end() :]
    if tag.endswith("/>"):
        tag, after = f"{tag[:-2].rstrip()}>", f"\n{indent}</{element.tag}>{after}"
    elif not after.startswith("\n"):
        after = f"\n{indent}{after.lstrip()}"
    return f"{text[: found.start()]}{tag}\n{indent}  {child}{after}"


def _corrected(text: str, remedies: Sequence[Remedy]) -> str:
    for remedy in remedies:
        if not isinstance(remedy, Change):
            continue
        place = (remedy.setting.argument.option, remedy.key)
        for path, attribute, value in _ATTRIBUTES.get(place, ()):
            text = _with_attribute(text, path, attribute, value or remedy.value)
        if place == ("blockdev", "file.driver"):
            text = _with_device(text)
        if place == ("blockdev", "file.pr-manager"):
            text = _with_child(text, ("source",), "<reservations managed='yes'/>")
        if place == ("device", "driver"):
            text = _OTHER_ADDRESS.sub("", text)
        if remedy.key == "read-only":
            text = _READ_ONLY.sub("", text)
    return text


def _with_device(text: str) -> str:
    """Name the file of a source as a device."""
    return _in_tag(text, ("source",), r"(\s)file(\s*=)", r"\1dev\2")


def _without_attribute(text: str, path: Sequence[str], attribute: str) -> str:
    return _in_tag(text, path, rf"""\s{attribute}\s*=\s*("[^"]*"|'[^']*')""", "")


def _in_tag(text: str, path: Sequence[str], pattern: str, new: str) -> str:
    """Replace a pattern in an element's start tag."""
    found = START_TAG.match(text, _at(text, path).start)
    if not found:
        return text
    return text[: found.start()] + re.sub(pattern, new, found[0], count=1) + text[found.end() :]


def _with_attribute(text: str, path: Sequence[str], attribute: str, value: str) -> str:
    found = START_TAG.match(text, _at(text, path).start)
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
