"""A client of the installed helper that sends commands until it is told to stop, and counts.

    load.py SOCKET DISK COUNT

It registers with one key after the other, so that the disk counts, too: its generation grows by
one with each. It ends after COUNT commands, but not before standard input is closed.
"""

import os
import select
import sys

from qemu_pr.manager import PRManagerHelper

REGISTER_AND_IGNORE = bytes((0x5F, 6, 0, 0, 0, 0, 0, 0, 24))
READ_KEYS = bytes((0x5E, 0, 0, 0, 0, 0, 0, 32, 0))


def main() -> None:
    """Send them, and print counts: answered with GOOD, not answered, generation."""
    path, disk, least = sys.argv[1:]
    fd = os.open(disk, os.O_RDWR)
    answered = unknown = 0
    with PRManagerHelper(path, interval=0.2) as manager:
        print("connected", flush=True)
        while answered < int(least) or not select.select([sys.stdin], [], [], 0)[0]:
            key = (answered + unknown + 1).to_bytes(8, "big")
            done = manager.execute(fd, REGISTER_AND_IGNORE, bytes(8) + key + bytes(8))
            if done.status == 0:
                answered += 1
            elif done.sense[2:3] + done.sense[12:14] == b"\x0b\x08\x00":
                unknown += 1  # the connection ended before the reply; nobody can tell
            else:
                sys.exit(f"status {done.status}, sense {done.sense.hex()}")
        generation = int.from_bytes(manager.execute(fd, READ_KEYS).data[:4], "big")
    print(answered, unknown, generation)


if __name__ == "__main__":
    main()
