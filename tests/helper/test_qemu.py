"""The client that it is made for: QEMU."""

import json
import os
import subprocess

from helper_process import PYTHON_HELPER, started, terminated, wait_for
from requirements import require

BARE_MACHINE = ("-S", "-display", "none", "-nodefaults", "-machine", "none")


def test_qemu_connects_and_says_so(path):
    qemu = require("qemu-system-x86_64", package="qemu-system-x86")
    managers = f"pr-manager-helper,id=helper0,path={path}"
    with started(PYTHON_HELPER, path, "-v") as process:
        monitor = subprocess.Popen(
            [qemu, *BARE_MACHINE, "-qmp", "stdio", "-object", managers],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        output, _ = monitor.communicate(
            '{"execute": "qmp_capabilities"}\n'
            '{"execute": "query-pr-managers", "id": "query"}\n'
            '{"execute": "quit"}\n',
            timeout=60,
        )
        answers = [json.loads(line) for line in output.splitlines()]

        assert {"id": "query", "return": [{"id": "helper0", "connected": True}]} in answers
        wait_for(lambda: monitor.poll() is not None, "QEMU ends")
        log = terminated(process)
    assert f"qemu-pr-helper: client {monitor.pid}: connected, user {os.geteuid()}\n" in log
    assert f"qemu-pr-helper: client {monitor.pid}: disconnected\n" in log
