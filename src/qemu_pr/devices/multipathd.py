"""What multipathd knows of a map's key, with which it registers paths that come back."""

import socket
import struct

from qemu_pr.devices import DeviceError
from qemu_pr.scsi.status import GOOD

# Where it listens: since 0.12.0, and always, for whoever is in its network namespace.
_ADDRESSES = ("/run/multipathd.socket", "\0/org/kernel/linux/storage/multipathd")

# A command and its reply, each with a NUL at its end, come after their size: a size_t.
_SIZE = struct.Struct("@N")
_MOST = 1 << 16  # bytes of a reply; while it does not run, anybody may listen in its place
_TIMEOUT = 5  # seconds

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
        known = tell_key(alias, key, aptpl=aptpl)
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


def tell_key(alias: str, key: int, *, aptpl: bool) -> int:
    """Tell multipathd the key of a map's paths; it heeds that with ``reservation_key file`` only.

    Args:
        alias: The map.
        key: The key; 0 to forget it.
        aptpl: Whether it is registered to persist through power loss.

    Returns:
        The key that it has now.
    """
    flag = ":aptpl" if aptpl else ""
    _ask(f"setprkey map {alias} key {key:x}{flag}" if key else f"unsetprkey map {alias}")
    return known_key(alias)


def tell_registered(alias: str) -> None:
    """Tell multipathd that a map's paths are registered with the key that it has."""
    _ask(f"setprstatus map {alias}")


def forget(alias: str) -> bool:
    """Have multipathd register no path of a map any more.

    Returns:
        Whether it has no key now; it keeps one that stands in multipath.conf.
    """
    _ask(f"unsetprstatus map {alias}")
    return tell_key(alias, 0, aptpl=False) == 0


def tell_hold(alias: str, *, holds: bool) -> None:
    """Tell multipathd whether a map holds a reservation; releases before 0.13 do not ask."""
    global _knows_hold
    if _knows_hold:
        reply = _ask(f"{'' if holds else 'un'}setprhold map {alias}")
        _knows_hold = not reply or reply.startswith(("ok", "timeout"))


_knows_hold = True


def _ask(command: str) -> str:
    """Send multipathd a command; nothing comes back from one that does not run."""
    request = command.encode() + b"\0"
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.settimeout(_TIMEOUT)
        if not any(_connects(connection, address) for address in _ADDRESSES):
            return ""
        try:
            connection.sendall(_SIZE.pack(len(request)) + request)
            (size,) = _SIZE.unpack(_receive(connection, _SIZE.size))
            return _receive(connection, min(size, _MOST)).rstrip(b"\0").decode(errors="replace")
        except OSError:
            return ""


def _connects(connection: socket.socket, address: str) -> bool:
    try:
        connection.connect(address)
    except OSError:
        return False
    return True


def _receive(connection: socket.socket, size: int) -> bytes:
    received = b""
    while len(received) < size:
        piece = connection.recv(size - len(received))
        if not piece:
            raise ConnectionError("multipathd has closed the connection")
        received += piece
    return received
