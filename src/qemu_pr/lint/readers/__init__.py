"""The kinds of text that command lines are found in: a new one is a module here and an entry."""

import re
from collections.abc import Iterator
from dataclasses import replace
from textwrap import shorten

from qemu_pr.host.paths import plain
from qemu_pr.lint.command import Command, FaultyPlace
from qemu_pr.lint.met import Met
from qemu_pr.lint.readers import libvirt_xml, lists, proxmox_conf, shell_text, vector
from qemu_pr.lint.readers.comments import without_comments
from qemu_pr.lint.readers.patches import as_patched

READERS = (
    vector.read,
    libvirt_xml.read,
    proxmox_conf.read,
    lists.read,
    shell_text.read,
)
"""Each takes a text, and gives the commands in it and what it leaves to those after it."""

_MENTIONS = ("pr-manager", "reservations", "<domain", "<disk", "scsi-block")

_USED = re.compile(r"\bdrive[\"']?\s*[=:]\s*[\"']?([\w.-]+)")

_SPEAKS = re.compile(r"\bpr-manager\b")
# Others have things of that name, too, which manage what they call PR.
_IS_OF_QEMU = re.compile(r"qemu|kvm|scsi|\bpr-manager(?:-helper\b|[\"']?\s*[=:])", re.IGNORECASE)
# Where commands were read, the rest of the text may well speak of managers to its readers.
_SAYS_HOW = re.compile(
    r"^(?![ \t]*(?:(?:[*+-]|\d+\.)[ \t]+)?[A-Z][\w']*\s+[a-z]).*"
    r"(?:pr-manager-helper[,\"'\\]|[\"'{]pr-manager[\"'\\])",
    re.MULTILINE,
)

_HELPER = re.compile(
    r"^[ \t]*(?:[$#>][ \t]+)?(?:ExecStart=|sudo[ \t]+)?(?:/[\w/.-]*/)?qemu-pr-helper"
    r"(?P<options>[ \t].*)?$",
    re.MULTILINE,
)
_SOCKET = re.compile(r"[ \t](?:-\w*k|--socket)[ \t=]*[\"']?(?P<path>[^\s\"']+)")
_LISTENS = re.compile(r"^[ \t]*ListenStream=(?P<path>\S*pr\S*)[ \t]*$", re.MULTILINE)
_DEFAULT = "/var/run/qemu-pr-helper.sock"


def commands(text: str) -> list[Command]:
    """Find the command lines of a text that have to do with reservation managers.

    Args:
        text: A command line, a file that has some, a manual.

    Returns:
        The command lines in the order of the text.

    Raises:
        CommandLineError: The text is XML, and not well formed.
    """
    if not any(mention in text for mention in _MENTIONS):
        return []
    if "\0" not in text:
        text = without_comments(as_patched(text))
    sockets = helper_sockets(text)
    whole, found = text, []
    for read in READERS:
        here, text = read(text)
        found += here
    named = [one for one in found if one.uses_managers or one.unreserved or one.misread]
    if named:
        named += _unread(text, _SAYS_HOW)
    elif _IS_OF_QEMU.search(whole):
        named += _unread(whole, _SPEAKS)
    used = {plain(given) for one in named for given in one.sockets_of_managers}
    if used & set(map(plain, sockets)):
        sockets = frozenset()  # a manual may have examples with other helpers besides
    disks = frozenset(_USED.findall(whole))
    return [
        replace(one, sockets=sockets, used=disks) for one in sorted(named, key=lambda one: one.line)
    ]


def _unread(text: str, mention: re.Pattern[str]) -> Iterator[Command]:
    """Give a place that no reader took for a command, and that speaks of managers."""
    found = mention.search(text)
    if found:
        line = text.count("\n", 0, found.start()) + 1
        what = shorten(text.split("\n")[line - 1].strip(), 60, placeholder=" …")
        yield Command(
            line=line,
            program="",
            closed=False,
            settings=(),
            misread=((Met.NOT_READ, FaultyPlace(line, what, certain=False)),),
            correct=lambda _: "",
            read=lambda _: [],
            is_read=False,
        )


def helper_sockets(text: str) -> frozenset[str]:
    """Find where the helpers listen that a text starts.

    Args:
        text: A script, a manual, a unit file.

    Returns:
        Absolute paths; none if the text starts no helper, or does not say where one listens.
    """
    sockets = {match["path"] for match in _LISTENS.finditer(text)}
    for match in _HELPER.finditer(text):
        options = match["options"] or ""
        if "--simulate" not in options:
            named = _SOCKET.search(options)
            sockets.add(named["path"] if named else _DEFAULT)
    known = all(re.fullmatch(r"/[^$`<>]*", socket) for socket in sockets)
    return frozenset(sockets if known else ())
