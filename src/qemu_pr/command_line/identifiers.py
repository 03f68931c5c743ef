"""What QEMU takes as an id and as a node name (measured with QEMU 7.2)."""

import re

from qemu_pr.command_line.errors import CommandLineError

NODE_NAME_MAX = 31  # bytes: QEMU keeps node names in 32, with the terminating zero

_IDENTIFIER = re.compile(r"[A-Za-z][A-Za-z0-9._-]*")


def check_id(what: str, identifier: str) -> None:
    """Refuse an id that QEMU refuses.

    Args:
        what: What the id names, for the error's text.
        identifier: The id; QEMU sets no limit to its length.

    Raises:
        CommandLineError: It is empty, or holds what QEMU does not want in an id.
    """
    if not _IDENTIFIER.fullmatch(identifier):
        raise CommandLineError(
            f"{what} {identifier!r}",
            "not an identifier to QEMU",
            "start with an ASCII letter and go on with letters, digits, '-', '.' and '_'",
        )


def check_node_name(what: str, name: str) -> None:
    """Refuse a node name that QEMU refuses: an id of 31 bytes at most.

    Args:
        what: What the node is, for the error's text.
        name: The node name.

    Raises:
        CommandLineError: It is no id, or too long.
    """
    check_id(what, name)
    if len(name) > NODE_NAME_MAX:
        raise CommandLineError(
            f"{what} {name!r}",
            f"{len(name)} characters long, and QEMU takes {NODE_NAME_MAX} at most",
            "choose a shorter node name",
        )
