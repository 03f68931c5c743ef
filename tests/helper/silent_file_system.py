"""A FUSE file system with one file, which answers to one process only: to others, nothing.

It speaks <linux/fuse.h> on /dev/fuse itself, and mounts in a name space of its own, where no other
process meets it: who may have the file gets a descriptor of its folder. When the process that
started it closes the channel, or ends, it ends as well, and the kernel lets go of all who wait.

Run by `blocking_descriptors.SilentFiles` as: silent_file_system.py CHANNEL FRIEND OPERATION...
"""

import ctypes
import errno
import os
import select
import socket
import stat
import struct
import sys

CLONE_NEWNS, CLONE_NEWUSER = 0x00020000, 0x10000000
MS_REC, MS_PRIVATE = 0x4000, 0x40000

LOOKUP, FORGET, GETATTR, OPEN, RELEASE, FLUSH, INIT = 1, 2, 3, 14, 18, 25, 26
INTERRUPT, DESTROY, BATCH_FORGET = 36, 38, 42
ANY = 0  # no operation has this number
UNANSWERED = (FORGET, INTERRUPT, BATCH_FORGET)  # by the protocol

ROOT, FILE = 1, 2  # node numbers
IN_HEADER = struct.Struct("=IIQQIIIHH")
OUT_HEADER = struct.Struct("=IiQ")

libc = ctypes.CDLL(None, use_errno=True)


def call(function: str, *arguments: object) -> None:
    if getattr(libc, function)(*arguments):
        raise OSError(ctypes.get_errno(), f"{function}: {os.strerror(ctypes.get_errno())}")


def enter_own_name_space() -> None:
    user, group = os.geteuid(), os.getegid()
    call("unshare", CLONE_NEWNS | (CLONE_NEWUSER if user else 0))
    if user:
        for name, text in (("setgroups", "deny"), ("uid_map", user), ("gid_map", group)):
            with open(f"/proc/self/{name}", "w") as file:
                file.write(text if isinstance(text, str) else f"0 {text} 1")
    call("mount", b"none", b"/", None, MS_REC | MS_PRIVATE, None)


def mount() -> tuple[int, int]:
    """Give the descriptors of /dev/fuse and of the root folder."""
    enter_own_name_space()
    fuse = os.open("/dev/fuse", os.O_RDWR | os.O_CLOEXEC)
    data = f"fd={fuse},rootmode={stat.S_IFDIR:o},user_id=0,group_id=0"
    call("mount", b"silent", b"/tmp", b"fuse", 0, data.encode())
    return fuse, os.open("/tmp", os.O_PATH | os.O_CLOEXEC)


def attributes(node: int) -> bytes:
    mode = stat.S_IFDIR | 0o755 if node == ROOT else stat.S_IFREG | 0o666
    return struct.pack("=6Q10I", node, 0, 0, 0, 0, 0, 0, 0, 0, mode, 1, 0, 0, 0, 4096, 0)


def answer(operation: int, node: int) -> bytes | None:
    """What a well-behaved file system says; None if it does not know the operation."""
    match operation:
        case 26:  # INIT: version 7.31, no features
            return struct.pack("=4I2H2I2H8I", 7, 31, 0, 0, 1, 1, 4096, 1, 1, 0, *[0] * 8)
        case 1:  # LOOKUP: any name; nothing may be kept
            return struct.pack("=4Q2I", FILE, 0, 0, 0, 0, 0) + attributes(FILE)
        case 3:  # GETATTR
            return struct.pack("=Q2I", 0, 0, 0) + attributes(node)
        case 14:  # OPEN
            return bytes(16)
        case 18 | 25 | 38:  # RELEASE, FLUSH, DESTROY
            return b""
    return None


def serve(fuse: int, channel: socket.socket, friend: int, silent: frozenset[int]) -> None:
    held = 0
    poller = select.poll()
    poller.register(fuse, select.POLLIN)
    poller.register(channel, select.POLLIN)
    while True:
        ready = {fd for fd, _ in poller.poll()}
        if channel.fileno() in ready:
            if not channel.recv(1):
                return
            channel.send(struct.pack("i", held))
        if fuse in ready:
            request = os.read(fuse, 1 << 20)
            _, operation, unique, node, _, _, thread, *_ = IN_HEADER.unpack_from(request)
            if operation in UNANSWERED:
                continue
            if thread not in (0, friend) and silent & {operation, ANY}:
                held += 1
                continue
            data = answer(operation, node)
            error = -errno.ENOSYS if data is None else 0
            data = data or b""
            os.write(fuse, OUT_HEADER.pack(OUT_HEADER.size + len(data), error, unique) + data)


if __name__ == "__main__":
    channel = socket.socket(fileno=int(sys.argv[1]))
    try:
        fuse, root = mount()
    except OSError as error:
        channel.send(str(error).encode())
        sys.exit()
    socket.send_fds(channel, [b"\0"], [root])
    os.close(root)
    serve(fuse, channel, int(sys.argv[2]), frozenset(map(int, sys.argv[3:])))
