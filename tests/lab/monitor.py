"""QEMU's monitor: QMP commands, what they return, and the events that QEMU tells in between."""

import json
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

from waiting import PATIENCE, waiting_for


class Monitor:
    """A connection to the monitor of a running QEMU."""

    def __init__(self, path: Path) -> None:
        """Connect.

        Args:
            path: The monitor's socket.
        """
        self._told: list[dict[str, Any]] = []
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(PATIENCE)
            connection.connect(str(path))
            self._lines = connection.makefile("rw")
        self.execute("qmp_capabilities")

    def execute(self, name: str) -> Any:
        """Execute a command without arguments, and give what it returns."""
        return self.send(json.dumps({"execute": name}))

    def send(self, line: str) -> Any:
        """Execute a command as it is written in QMP, and give what it returns.

        Raises:
            RuntimeError: QEMU refused.
        """
        self._lines.write(line + "\n")
        self._lines.flush()
        with waiting_for(f"QEMU to answer {line}", PATIENCE):
            answer = self._wait_for(lambda told: "return" in told or "error" in told)
        if "error" in answer:
            raise RuntimeError(f"{line}: {answer['error']['desc']}")
        return answer["return"]

    def wait_for_event(self, event: str, device: str) -> None:
        """Wait until QEMU has told, since this connection was made, an event of a device."""
        with waiting_for(f"QEMU's event {event} of {device}", PATIENCE):
            self._wait_for(
                lambda told: told.get("event") == event and told["data"].get("device") == device
            )

    def _wait_for(self, fits: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        """Take out the first that fits of all that QEMU has told and will tell."""
        while not (found := next(filter(fits, self._told), None)):
            self._told.append(json.loads(self._lines.readline()))
        self._told.remove(found)
        return found
