"""WWIDs that somebody typed: multipath compares them character by character."""

import re
from collections.abc import Iterator

from qemu_pr.host.wwids import LIST_MAPS
from qemu_pr.multipath_conf.errors import MultipathConfError


def doubts(wwid: str) -> Iterator[str]:
    """Say what is odd about a WWID that somebody typed; multipath compares character by character.

    Args:
        wwid: A WWID as multipath has it.
    """
    if re.fullmatch(r"3[0-9a-fA-F]{6,}", wwid) and len(wwid) not in (17, 33):
        yield f"it has {len(wwid)} characters, and a WWID that begins with 3 has 17 or 33"
    if re.fullmatch(r"[23][0-9a-fA-F]{16,}", wwid) and wwid != wwid.lower():
        yield "multipath writes a WWID in lower case, and compares it character by character"


def check_typed(wwid: str) -> str:
    """Take a WWID that somebody typed.

    Raises:
        MultipathConfError: It is an identifier that multipath writes in another way.
    """
    other = re.fullmatch(r"(?:wwn-|scsi-)?(naa\.|0x|eui\.)([0-9a-fA-F]{16,32})", wwid)
    if other:
        digit = "2" if other[1] == "eui." else "3"
        raise MultipathConfError(
            wwid, "multipath writes it in another way", f"use {digit}{other[2].lower()}"
        )
    if not re.fullmatch(r"\S(?:.*\S)?", wwid) or not wwid.isprintable():
        raise MultipathConfError(repr(wwid), "it is no WWID", LIST_MAPS)
    return wwid
