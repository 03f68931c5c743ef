"""The privileged process is what an auditor can read: the standard library and this package."""

import os
import subprocess
import sys

from helper_process import Client, cdb, started, terminated

# As the installed program does it; python -m would import more.
HELPER = (
    sys.executable,
    "-c",
    "import sys; from qemu_pr.cli.qemu_pr_helper import main; sys.exit(main())",
)

NOT_WITHOUT_NEED = {
    "argparse",
    "asyncio",
    "collections",
    "contextlib",
    "dataclasses",
    "enum",
    "functools",
    "logging",
    "qemu_pr.cli.qemu_pr",
    "qemu_pr.command_line",
    "qemu_pr.devices.multipath",
    "qemu_pr.devices.simulated",
    "qemu_pr.helper.audit",
    "qemu_pr.helper.metrics",
    "qemu_pr.helper.trace",
    "qemu_pr.scsi.names",
    "qemu_pr.logical_unit",
    "re",
    "signal",
    "socket",
    "sqlite3",
    "subprocess",
    "threading",
    "traceback",
    "typing",
}


# Jython's, which the standard library's copy.py tries and does not find.
TRIED_IN_VAIN = {"org", "org.python", "org.python.core"}


def imported(import_times: str) -> set[str]:
    """The modules that Python's -X importtime names."""
    lines = [line for line in import_times.splitlines() if line.startswith("import time:")]
    return {line.rpartition("|")[2].strip() for line in lines[1:]} - TRIED_IN_VAIN


def test_a_serving_helper_has_imported_the_standard_library_and_this_package_only(path, regular):
    environment = {**os.environ, "PYTHONPROFILEIMPORTTIME": "1"}
    python = subprocess.run(
        [sys.executable, "-c", ""], env=environment, capture_output=True, text=True, check=True
    )
    with started(HELPER, path, env=environment) as process:
        with Client(path) as client:
            client.command(cdb(0x5E), regular)
            client.command(cdb(0x5F, 24), regular, bytes(24))
        modules = imported(terminated(process)) - imported(python.stderr)

    assert "qemu_pr.devices.sg_io" in modules
    foreign = {
        name
        for name in modules
        if name.partition(".")[0] not in {"qemu_pr", *sys.stdlib_module_names}
    }
    assert foreign == set()
    assert modules & NOT_WITHOUT_NEED == set()
