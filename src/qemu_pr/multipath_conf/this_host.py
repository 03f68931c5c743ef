"""The files in which this host configures multipath."""

from pathlib import Path

from qemu_pr.multipath_conf.configuration import Configuration, File

PATH = "/etc/multipath.conf"
"""The file that multipath reads first."""

_DROP_INS = "/etc/multipath/conf.d"


def read() -> Configuration:
    """Read them, in the order in which multipath does.

    Raises:
        OSError: One of them cannot be read.
    """
    return Configuration.of(
        map(read_file, (PATH, *sorted(map(str, Path(_DROP_INS).glob("*.conf")))))
    )


def read_file(path: str) -> File:
    """Read one file.

    Raises:
        OSError: It cannot be read.
    """
    return File.parse(path, Path(path).read_bytes().decode(errors="surrogateescape"))
