"""The file in which multipathd remembers registered keys, for ``reservation_key file``."""

import re

from qemu_pr.multipath_conf.reservation_key import ReservationKey

PATH = "/etc/multipath/prkeys"
"""Where it is, unless ``prkeys_file`` says otherwise, which multipath-tools before 0.9.7 follow."""

# 0X instead of 0x says that the key was registered with APTPL; # at the start, that it is gone.
_LINE = re.compile(r"0([xX])([0-9a-fA-F]{16}) (\S.*)")


def parse(text: str) -> dict[str, ReservationKey]:
    """Read the file.

    Returns:
        The key of each map, by WWID. Lines that hold none are left out.
    """
    matches = filter(None, map(_LINE.fullmatch, text.split("\n")))
    return {match[3]: ReservationKey(int(match[2], 16), match[1] == "X") for match in matches}
