"""What multipathd knows of a map's key, with which it registers paths that come back."""

import ctypes

from qemu_pr.devices import DeviceError
from qemu_pr.scsi.status import GOOD

SONAME = "libmpathcmd.so.0"

_TIMEOUT = 5_000  # milliseconds

_MEND = "set 'reservation_key file' in the defaults section of multipath.conf"


def keep_registered(alias: str, key: int, *, aptpl: bool) -> None:
    """Make sure that multipathd registers paths of a map that appear or come back.

    libmpathpersist tells multipathd the key that a guest registered if ``reservation_key file`` is
    set; but before release 0.10.0 not if that is in the ``multipaths`` section.

    Args:
        alias: The map.
        key: The key that was registered on its paths; 0 if they were unregistered.
        aptpl: Whether it was registered to persist through power loss.

    Raises:
        DeviceError: It does not; the command itself ended with GOOD.
    """
    if key == 0:
        return
    known = known_key(alias)
    if known == 0:
        _ask(f"setprkey map {alias} key {key:x}{':aptpl' if aptpl else ''}")
        known = known_key(alias)
    if known != key:
        raise DeviceError(
            f"paths that come back will not be registered: multipathd has"
            f" {f'the key {known:#x}' if known else 'no key'} for map {alias},"
            f" and the guest registered {key:#x}; {_MEND}",
            GOOD,
        )


def known_key(alias: str) -> int:
    """Give the key with which multipathd registers paths of a map; 0 if it has none."""
    reply = _ask(f"getprkey map {alias}").split(":")[0].strip()
    try:
        return int(reply, 16)
    except ValueError:  # "none", or it cannot tell
        return 0


def forget(alias: str) -> bool:
    """Have multipathd register no path of a map any more.

    Returns:
        Whether it has no key now; it keeps one that stands in multipath.conf.
    """
    _ask(f"unsetprstatus map {alias}")
    _ask(f"unsetprkey map {alias}")
    return known_key(alias) == 0


def tell_released(alias: str) -> None:
    """Tell multipathd that a map holds no reservation; releases before 0.13 do not ask."""
    global _knows_hold
    if _knows_hold:
        reply = _ask(f"unsetprhold map {alias}")
        _knows_hold = not reply or reply.startswith(("ok", "timeout"))


_knows_hold = True


def _ask(command: str) -> str:
    """Send multipathd a command; nothing comes back from one that does not run."""
    library = ctypes.CDLL(SONAME)
    connection = library.mpath_connect()
    if connection < 0:
        return ""
    reply = ctypes.c_char_p()
    library.mpath_process_cmd(connection, command.encode(), ctypes.byref(reply), _TIMEOUT)
    library.mpath_disconnect(connection)
    return (reply.value or b"").decode(errors="replace")
