"""A host with many maps, and the reports of many hosts that share them."""

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

sys.path.append(str(Path(__file__).parents[1] / "fleet"))
from simulated_hosts import SimulatedHost
from written_reports import disk, guest, registration, report, status

HOSTS, MAPS, PATHS = 50, 300, 8
CLUSTER = 4  # hosts that are registered with a map


def _name(number: int) -> str:
    return f"60014050{number:024x}"


@contextmanager
def big_host(folder: Path) -> Iterator[SimulatedHost]:
    """Simulate a host whose maps are answered by its helper."""
    host = SimulatedHost(folder, "big", 1)
    for number in range(MAPS):
        names = [f"sd{chr(97 + port)}{number:03}" for port in range(PATHS)]
        image = folder / f"map{number}"
        for port, name in enumerate(names):
            host.add_disk(image, name, _name(number), port + 1)
        host.add_map(f"mpath{number}", f"3{_name(number)}", names, image)
    host.start_helper()
    try:
        host.wait_for_helper()
        yield host
    finally:
        host.stop_helper()


def write_reports(folder: Path) -> None:
    """Write a report of each host; all see all maps, and some are registered with each."""
    folder.mkdir()
    told = [
        status(
            *(
                registration((number + member) % HOSTS + 1, 0x100 + member, port + 1)
                for member in range(CLUSTER)
                for port in range(PATHS)
            )
        )
        for number in range(MAPS)
    ]
    for host in range(1, HOSTS + 1):
        disks = [
            disk(
                host,
                told[number],
                PATHS,
                identity=f"naa.{_name(number)}",
                device=f"/dev/dm-{number}",
            )
            for number in range(MAPS)
        ]
        used = [n for n in range(MAPS) if (host - 1 - n) % HOSTS < CLUSTER]
        user = guest(f"guest{host}") | {"disks": [f"/dev/dm-{number}" for number in used]}
        written = report(host, *disks) | {"guests": [user]}
        (folder / f"node{host}.json").write_text(json.dumps(written, indent=1))
