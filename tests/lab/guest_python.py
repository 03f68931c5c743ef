"""Python in a guest: the system's own, as much of it as one file of programs needs to run."""

import shutil
import subprocess
from pathlib import Path

from guest import libraries, pack, put_files

PYTHON = "/usr/bin/python3"

# Loads what the subcommand loads, and prints where each module is, and its bytecode.
WHAT_IT_LOADS = """\
import importlib.util, os, runpy, sys
archive, *sys.argv[1:] = sys.argv[1:]
sys.stdout = open(os.devnull, "w")
try:
    runpy.run_path(archive, run_name="__main__")
except SystemExit:
    pass
sys.stdout = sys.__stdout__
for module in list(sys.modules.values()):
    file = getattr(module, "__file__", None) or ""
    print(file)
    if file.endswith(".py"):
        print(importlib.util.cache_from_source(file))
"""


def with_python(initramfs: Path, archive: Path, subcommand: str, directory: Path) -> Path:
    """Build a guest's file system that has an archive of Python, and can run a subcommand of it.

    All of it is in the guest's memory. Each module that a guest loads from a folder which it shares
    with its host takes seconds, since both are emulated.

    Args:
        initramfs: The guest's file system without Python.
        archive: What `make zipapp` built; it comes into the guest's root directory.
        subcommand: What is to run.
        directory: Where to build it.
    """
    root = directory / "python"
    command = [PYTHON, "-c", WHAT_IT_LOADS, archive, subcommand, "--help"]
    loaded = subprocess.check_output(command, text=True).splitlines()
    files = [file for file in loaded if Path(file).is_file()]
    binaries = [PYTHON, *(file for file in files if ".so" in Path(file).suffixes)]
    put_files([*binaries, *libraries(binaries), *files], root)
    (root / "usr/bin/env").symlink_to("/bin/env")
    shutil.copy(archive, root)
    image = shutil.copy(initramfs, directory / "with-python.cpio")
    return pack(root, image)
