"""What Python can do at most: a loop that answers each request the same, and has no other duty.

It polls, carries out one fixed SCSI command, and replies. It checks nothing, keeps no client from
another, and fails at the first error; so with many clients no helper in Python is faster.
"""

import _socket as socket
import fcntl
import os
import select
import struct
import sys

SG_IO = 0x2285
REPLY = struct.pack(">ii96s", 2, 0, b"")


def main() -> None:
    """Serve on the socket that is named behind ``-k``."""
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(sys.argv[sys.argv.index("-k") + 1])
    listener.listen()
    poll = select.epoll()
    poll.register(listener.fileno(), select.EPOLLIN)
    connections = {}
    ancillary_size = socket.CMSG_SPACE(4)
    header = bytearray(88)
    while True:
        for fd, _ in poll.poll():
            connection = connections.get(fd)
            if connection is None:
                accepted, _ = listener._accept()  # type: ignore[attr-defined]
                connection = connections[accepted] = socket.socket(fileno=accepted)
                connection.send(bytes(4))
                connection.recv(4)
                poll.register(accepted, select.EPOLLIN)
                continue
            data, ancillary, _, _ = connection.recvmsg(16, ancillary_size)
            if not data:
                del connections[fd]
                connection.close()
                continue
            [disk] = struct.unpack("i", ancillary[0][2])
            try:  # noqa: SIM105 - suppress would take time
                fcntl.ioctl(disk, SG_IO, header)
            except OSError:
                pass
            os.close(disk)
            connection.send(REPLY)


if __name__ == "__main__":
    main()
