"""Who a client is, as far as the kernel and the local files tell it at once.

Nothing here asks a name service, and nothing reads the client's memory, as its command line would
be read from there: either could be kept waiting. A process can choose its own name; it cannot
choose its user, and only one that manages control groups its unit.
"""

import os
import re

_UNIT = re.compile(r".+\.(?:service|scope)\Z")


def describe(process: int, user: int) -> dict[str, object]:
    """Describe a client.

    Args:
        process: Its process ID; 0 if it is in another process ID namespace.
        user: Its user ID.

    Returns:
        ``process``, ``program``, the name of the process, ``unit``, systemd's service or scope that
        it runs in, ``user``, and ``user_name``. What cannot be told is None.
    """
    return {
        "process": process or None,
        "program": _read(f"/proc/{process}/comm").rstrip("\n") or None,
        "unit": _unit(_read(f"/proc/{process}/cgroup")),
        "user": user,
        "user_name": _user_name(user),
    }


def _unit(control_groups: str) -> str | None:
    """Give the innermost unit: of libvirt, for example, a guest's scope."""
    for line in control_groups.splitlines():
        _, controllers, path = line.split(":", 2)
        if controllers in ("", "name=systemd"):
            for name in reversed(path.split("/")):
                if _UNIT.match(name):
                    return name
    return None


def _user_name(user: int) -> str | None:
    for line in _read("/etc/passwd").splitlines():
        name, _, rest = line.partition(":")
        if rest.split(":")[1:2] == [str(user)]:
            return name
    return None


def _read(path: str) -> str:
    try:
        with open(path, "rb") as file:
            return os.fsdecode(file.read())
    except OSError:
        return ""
