"""Who a client is, as far as the kernel and the local files tell it at once.

Nothing here asks a name service, and nothing reads the client's memory, as its command line would
be read from there: either could be kept waiting. A process can choose its own name; it cannot
choose its user, and only one that manages control groups its unit.
"""

import os
import re

from qemu_pr.helper.audit.trail import read

_UNIT = re.compile(r".+\.(?:service|scope)\Z", re.DOTALL)
_START_TIME = 19  # place in /proc/PID/stat behind the name, which may hold anything


def describe(process: int, user: int, origin: tuple[bytes, ...]) -> dict[str, object]:
    """Describe a client.

    Args:
        process: Its process ID; 0 if it is in another process ID namespace.
        user: Its user ID.
        origin: What its `ORIGIN` was when it connected.

    Returns:
        ``process``, ``program``, the name of the process, ``unit``, systemd's service or scope that
        it ran in, ``ended``, whether the process is gone, ``user``, and ``user_name``. What cannot
        be told is None.
    """
    program, control_groups, stat = origin or (b"", b"", b"")
    return {
        "process": process or None,
        "program": os.fsdecode(program).removesuffix("\n") or None,
        "unit": _unit(os.fsdecode(control_groups)),
        "ended": _start_time(stat) != _start_time(read(f"/proc/{process}/stat")) if stat else None,
        "user": user,
        "user_name": _user_name(user),
    }


def _unit(control_groups: str) -> str | None:
    """Give the innermost unit: of libvirt, for example, a guest's scope."""
    for line in control_groups.split("\n"):  # splitlines would break a name that holds a form feed
        _, _, rest = line.partition(":")
        controllers, _, path = rest.partition(":")
        if controllers in ("", "name=systemd"):
            for name in reversed(path.split("/")):
                if _UNIT.match(name):
                    return name
    return None


def _start_time(stat: bytes) -> bytes:
    return b"".join(stat.rpartition(b")")[2].split()[_START_TIME : _START_TIME + 1])


def _user_name(user: int) -> str | None:
    try:
        with open("/etc/passwd", "rb") as file:
            lines = os.fsdecode(file.read()).split("\n")
    except OSError:
        return None
    for line in lines:
        name, _, rest = line.partition(":")
        if rest.split(":")[1:2] == [str(user)]:
            return name
    return None
