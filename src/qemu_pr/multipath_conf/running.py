"""Ask multipathd for the configuration that it runs with."""

import os
import shutil
import subprocess

from qemu_pr.multipath_conf.configuration import Configuration, File

_COMMAND = ("multipathd", "show", "config")
_PATIENCE = 10.0  # seconds; multipathd answers at once, unless it is stuck
_WHERE_ROOT_LOOKS = "/usr/sbin:/sbin"


def running_configuration() -> Configuration | None:
    """Give what multipathd runs with; None if it is not there or does not answer."""
    directories = os.environ.get("PATH", os.defpath) + os.pathsep + _WHERE_ROOT_LOOKS
    program = shutil.which(_COMMAND[0], path=directories)
    if program is None:
        return None
    try:
        answer = subprocess.run(
            [program, *_COMMAND[1:]],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_PATIENCE,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    file = File.parse(" ".join(_COMMAND), answer.stdout.decode(errors="surrogateescape"))
    # Without a daemon, some releases print an error and say that all is well.
    return Configuration.of([file]) if file.parsed.sections else None
