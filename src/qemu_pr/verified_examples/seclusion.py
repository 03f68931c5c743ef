"""A place where nothing of the host shows: no configuration, device, process or socket of it.

Linux namespaces make it, without privileges too where the kernel lets a user have a user namespace:

=====================  =============================================================================
/etc                   what programs need to start, and users that are the same on every host
/dev                   null, zero, full, random, urandom, tty; an empty shm, and pts of its own
/sys, /run, /tmp       empty, and gone with the place
/proc                  the processes of this place; all of them end with it
network, IPC, name     a loopback interface, nothing, ``host``
=====================  =============================================================================

All else is as on the host: programs, libraries, and the directories to keep.
"""

import ctypes
import fcntl
import os
import socket
import struct
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

from qemu_pr.verified_examples.child import in_child

T = TypeVar("T")

# clone(2), mount(2), capset(2), netdevice(7)
_NEWNS, _NEWUTS, _NEWIPC = 0x00020000, 0x04000000, 0x08000000
_NEWUSER, _NEWPID, _NEWNET = 0x10000000, 0x20000000, 0x40000000
_MS_BIND, _MS_REC, _MS_PRIVATE = 0x1000, 0x4000, 0x40000
_CAPABILITY_VERSION_3 = 0x20080522
_SIOCSIFFLAGS, _IFF_UP = 0x8914, 0x1

_COVERED = ("/etc", "/dev", "/sys", "/run", "/tmp", "/var/run", "/var/tmp")
_KEPT = (  # of these, besides what the caller wants: how programs and libraries are found, devices
    *(f"/etc/{name}" for name in ("alternatives", "ld.so.cache", "ld.so.conf", "ld.so.conf.d")),
    *(f"/dev/{name}" for name in ("null", "zero", "full", "random", "urandom", "tty")),
)
_LINKS = {"fd": "", "stdin": "/0", "stdout": "/1", "stderr": "/2"}  # of /dev, into /proc/self/fd

_NAME = "host"
_NOBODY = 65534


def in_seclusion(work: Callable[[], T], keep: Iterable[Path] = ()) -> T:
    """Do something in a new place of this kind, in a process of its own.

    Args:
        work: What to do. Its result is pickled.
        keep: Directories that stay visible wherever they are.

    Raises:
        OSError: The kernel, or who guards it, gives no such place; or the work raised it.
        ChildError: The work raised something else, or ended its process.
    """
    return in_child(lambda: leave_the_host(work, keep))


def why_not(keep: Iterable[Path] = ()) -> str:
    """Say why there can be no such place here; nothing if there can.

    Args:
        keep: Directories that stay visible wherever they are.
    """
    try:
        return in_seclusion(str, keep)
    except OSError as error:
        return str(error.strerror or error)


def leave_the_host(work: Callable[[], T], keep: Iterable[Path] = ()) -> T:
    """Do what `in_seclusion` does, in a process that does nothing else afterwards."""
    kept = [*map(Path, _KEPT), *keep]
    user, group = os.geteuid(), os.getegid()
    kinds = _NEWNS | _NEWPID | _NEWNET | _NEWIPC | _NEWUTS
    _call("unshare", kinds if user == 0 else kinds | _NEWUSER)
    if user != 0:
        Path("/proc/self/setgroups").write_text("deny")
        Path("/proc/self/uid_map").write_text(f"{user} {user} 1")
        Path("/proc/self/gid_map").write_text(f"{group} {group} 1")

    def be_first_process() -> T:
        os.umask(0o022)
        _mount(None, "/", flags=_MS_REC | _MS_PRIVATE)
        _cover(kept)
        _write_users(user, group)
        _mount("proc", "/proc", "proc")
        socket.sethostname(_NAME)
        _start_loopback()
        if user != 0:  # as an ordinary user has none: the new user namespace gave them all
            _drop_capabilities()
        return work()

    return in_child(be_first_process)


def _cover(keep: Iterable[Path]) -> None:
    """Put empty directories over the host's, and what is kept back into them."""
    covered = [path for path in map(Path, _COVERED) if path.is_dir() and not path.is_symlink()]
    kept: dict[Path, int] = {}  # opened while they can be seen
    for path in sorted(set(keep)):
        if any(map(path.is_relative_to, covered)):
            with suppress(OSError):  # it is not there, or not for this user
                kept[path] = os.open(path, os.O_PATH)
    for directory in covered:
        mode = "1777" if directory.name == "tmp" else "755"
        _mount("tmpfs", str(directory), "tmpfs", data=f"mode={mode}")
    for path, opened in kept.items():
        source = Path(f"/proc/self/fd/{opened}")
        if source.is_dir():
            path.mkdir(parents=True, exist_ok=True)
        else:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()
        _mount(str(source), str(path), flags=_MS_BIND | _MS_REC)
        os.close(opened)
    for name, target in _LINKS.items():
        Path("/dev", name).symlink_to(f"/proc/self/fd{target}")
    Path("/dev/shm").mkdir()
    Path("/dev/shm").chmod(0o1777)
    Path("/dev/pts").mkdir()
    _mount("devpts", "/dev/pts", "devpts", data="newinstance,ptmxmode=0666")
    Path("/dev/ptmx").symlink_to("pts/ptmx")


def _write_users(user: int, group: int) -> None:
    users = {0: "root", _NOBODY: "nobody"}
    groups = {0: "root", _NOBODY: "nogroup"}
    users.setdefault(user, "user")
    groups.setdefault(group, "user")
    Path("/etc/passwd").write_text(
        "".join(f"{name}:x:{number}:{group}::/:/bin/sh\n" for number, name in users.items())
    )
    Path("/etc/group").write_text(
        "".join(f"{name}:x:{number}:\n" for number, name in groups.items())
    )
    Path("/etc/hosts").write_text(f"127.0.0.1 localhost {_NAME}\n")
    Path("/etc/nsswitch.conf").write_text("passwd: files\ngroup: files\nhosts: files\n")


def _start_loopback() -> None:
    with socket.socket() as any_socket:
        fcntl.ioctl(any_socket, _SIOCSIFFLAGS, struct.pack("16sH14x", b"lo", _IFF_UP))


def _drop_capabilities() -> None:
    header = struct.pack("Ii", _CAPABILITY_VERSION_3, 0)
    _call("capset", header, bytes(24))


def _mount(
    source: str | None, target: str, kind: str | None = None, *, flags: int = 0, data: str = ""
) -> None:
    given = (source, target, kind)
    names = [None if one is None else os.fsencode(one) for one in given]
    _call("mount", *names, ctypes.c_ulong(flags), data.encode() or None, path=target)


def _call(name: str, *arguments: object, path: str | None = None) -> None:
    """Call a function of the C library that returns 0 if all is well.

    Raises:
        OSError: All is not.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    if getattr(libc, name)(*arguments) != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{name}: {os.strerror(number)}", path)
