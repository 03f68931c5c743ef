"""The kinds of text that command lines are found in: a new one is a module here and an entry."""

import re
from dataclasses import replace

from qemu_pr.lint.command import Command, plain
from qemu_pr.lint.readers import libvirt_xml, proxmox_conf, shell_text, vector

READERS = (vector.read, libvirt_xml.read, proxmox_conf.read, shell_text.read)
"""Each takes a text, and gives the commands in it and what it leaves to those after it."""

_MENTIONS = ("pr-manager", "reservations", "<domain")

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
    sockets = helper_sockets(text)
    found = []
    for read in READERS:
        here, text = read(text)
        found += here
    named = [one for one in found if one.uses_managers or one.misread]
    used = {plain(given) for one in named for given in one.sockets_of_managers}
    if used & set(map(plain, sockets)):
        sockets = frozenset()  # a manual may have examples with other helpers besides
    return [replace(one, sockets=sockets) for one in sorted(named, key=lambda one: one.line)]


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
