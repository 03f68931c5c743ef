"""The files in which a host configures multipath: this one, or one below another directory."""

from pathlib import Path

from qemu_pr.multipath_conf.configuration import Configuration, File

PATH = "/etc/multipath.conf"
"""The file that multipath reads first."""

_DROP_INS = "/etc/multipath/conf.d"


def read(root: Path = Path("/")) -> Configuration:
    """Read them, in the order in which multipath does.

    Args:
        root: The directory that is the host's ``/``.

    Raises:
        OSError: One of them cannot be read.
    """
    drop_ins = sorted((root / _DROP_INS[1:]).glob("*.conf"))
    return Configuration.of(map(read_file, map(str, (root / PATH[1:], *drop_ins))))


def read_file(path: str) -> File:
    """Read one file.

    Raises:
        OSError: It cannot be read.
    """
    return File.parse(path, Path(path).read_bytes().decode(errors="surrogateescape"))
