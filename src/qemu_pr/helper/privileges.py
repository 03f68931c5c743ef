"""Giving up every privilege but those that the kernel wants for SCSI commands."""

import ctypes
import os
from collections.abc import Collection

from qemu_pr.helper import StartError

# <linux/capability.h>, <linux/prctl.h>
CAP_SETGID = 6
CAP_SETPCAP = 8
CAP_SYS_RAWIO = 17
CAP_SYS_ADMIN = 21
_CAPABILITY_VERSION_3 = 0x20080522
_PR_SET_DUMPABLE = 4
_PR_SET_KEEPCAPS = 8
_PR_CAPBSET_READ = 23
_PR_CAPBSET_DROP = 24
_PR_SET_NO_NEW_PRIVS = 38

_libc = ctypes.CDLL(None, use_errno=True)
_libc.prctl.argtypes = (ctypes.c_int, *[ctypes.c_ulong] * 4)


def drop(
    user: int | None = None, group: int | None = None, kept: Collection[int] = (CAP_SYS_RAWIO,)
) -> None:
    """Give up all capabilities but a few, and become another user and group. One thread only.

    What an ordinary user has no right to give up is kept: the bounding set and supplementary
    groups. It is of no use to the process, as it can gain no privileges any more.

    A process that keeps a capability is no longer dumpable: no core file holds its memory, and
    other processes of its user can neither trace it nor look at its descriptors. What /proc tells
    of those belongs to root then. One that keeps none has nothing that its user lacks.

    Args:
        user: User ID to change to; None keeps it.
        group: Group ID to change to; None keeps it.
        kept: The capabilities to keep, if this process has them.

    Raises:
        StartError: The system does not let this process do it.
    """
    effective, permitted = capabilities()
    if effective >> CAP_SETPCAP & 1:
        _clear_bounding_set()
    if effective >> CAP_SETGID & 1:
        _drop_groups()
    _change_ids(os.getuid() if user is None else user, os.getgid() if group is None else group)
    remaining = permitted & sum(1 << capability for capability in kept)
    _set_capabilities(remaining)
    _prctl("PR_SET_NO_NEW_PRIVS", _PR_SET_NO_NEW_PRIVS, 1)
    if remaining:
        _prctl("PR_SET_DUMPABLE", _PR_SET_DUMPABLE, 0)


def _drop_groups() -> None:
    try:
        os.setgroups([])
    except OSError as error:
        raise _failed("setgroups", error.strerror) from None


def _change_ids(user: int, group: int) -> None:
    _prctl("PR_SET_KEEPCAPS", _PR_SET_KEEPCAPS, 1)
    try:
        os.setresgid(group, group, group)
        os.setresuid(user, user, user)
    except PermissionError:
        raise StartError(
            f"cannot become user {user} and group {group}: start it as root, or without -u and -g"
        ) from None
    except OSError as error:
        raise _failed(f"user {user} and group {group}", error.strerror) from None


def _clear_bounding_set() -> None:
    capability = 0
    while _libc.prctl(_PR_CAPBSET_READ, capability, 0, 0, 0) >= 0:
        _prctl("PR_CAPBSET_DROP", _PR_CAPBSET_DROP, capability)
        capability += 1


def capabilities() -> tuple[int, int]:
    """Give this thread's effective and permitted capabilities, as bit masks."""
    words = (ctypes.c_uint32 * 6)()
    _check("capget", _libc.capget(_header(), words))
    effective, permitted, _, effective_high, permitted_high, _ = words
    return effective | effective_high << 32, permitted | permitted_high << 32


def _set_capabilities(kept: int) -> None:
    """Make these the effective and the permitted capabilities, and none inheritable."""
    low, high = kept & 0xFFFFFFFF, kept >> 32
    words = (ctypes.c_uint32 * 6)(low, low, 0, high, high, 0)
    _check("capset", _libc.capset(_header(), words))


def _header() -> ctypes.Array[ctypes.c_uint32]:
    return (ctypes.c_uint32 * 2)(_CAPABILITY_VERSION_3, 0)


def _prctl(name: str, option: int, value: int) -> None:
    _check(name, _libc.prctl(option, value, 0, 0, 0))


def _check(call: str, result: int) -> None:
    if result < 0:
        raise _failed(call, os.strerror(ctypes.get_errno()))


def _failed(call: str, why: str | None) -> StartError:
    return StartError(
        f"Failed to drop privileges: {call}: {why}; look for what confines this process:"
        " a user namespace, securebits, a system call filter"
    )
