"""The files in which a host configures multipath: this one, or one below another directory."""

from pathlib import Path

from qemu_pr.multipath_conf import prkeys
from qemu_pr.multipath_conf.configuration import Configuration, File
from qemu_pr.multipath_conf.reservation_key import ReservationKey

PATH = "/etc/multipath.conf"
"""The file that multipath reads first."""

_DROP_INS = "/etc/multipath/conf.d"


def read(root: Path = Path("/")) -> Configuration:
    """Read them, in the order in which multipath does. It takes some without the first one.

    Args:
        root: The directory that is the host's ``/``.

    Raises:
        OSError: One of them cannot be read, or there is none.
    """
    first = root / PATH[1:]
    drop_ins = sorted((root / _DROP_INS[1:]).glob("*.conf"))
    files = drop_ins if drop_ins and not first.exists() else [first, *drop_ins]
    return Configuration.of(map(read_file, map(str, files)))


def remembered(configuration: Configuration, root: Path = Path("/")) -> dict[str, ReservationKey]:
    """Read the keys that multipathd remembers, by WWID.

    Args:
        configuration: What the host configures, which may name another file.
        root: The directory that is the host's ``/``.

    Raises:
        OSError: The file cannot be read.
    """
    set_here = configuration.prkeys_file
    path = set_here[1].value if set_here else prkeys.PATH
    file = root / path.removeprefix("/") if path.startswith("/") else Path(path)
    return prkeys.parse(file.read_text(errors="surrogateescape"))


def read_file(path: str) -> File:
    """Read one file.

    Raises:
        OSError: It cannot be read.
    """
    return File.parse(path, Path(path).read_bytes().decode(errors="surrogateescape"))
