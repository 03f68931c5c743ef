"""Hosts to report."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from simulated_hosts import SimulatedHost, three_hosts


@pytest.fixture
def nodes(folder: Path) -> Iterator[list[SimulatedHost]]:
    """Three hosts that share a disk, with a stale key; none is fenced yet."""
    hosts = three_hosts(folder)
    yield hosts
    for host in hosts:
        host.stop_helper()
