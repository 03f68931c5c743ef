"""What to do next on a host where no guest has a disk with reservations yet."""

from collections.abc import Iterator
from dataclasses import dataclass

from qemu_pr.doctor import libvirt
from qemu_pr.doctor.check import Outcome, Result
from qemu_pr.doctor.host import Host


@dataclass(frozen=True, slots=True)
class _Manager:
    """What runs the guests of a host.

    Attributes:
        name: What it is called.
        options: What has ``qemu-pr command-line`` print for it.
        place: Where the print goes.
    """

    name: str
    options: str
    place: str


_LIBVIRT = _Manager("libvirt", "--format libvirt ", "into <devices> with virsh edit")
_PROXMOX = _Manager("Proxmox VE", "--format proxmox ", "into /etc/pve/qemu-server/VMID.conf")
_PLAIN = _Manager("QEMU", "", "into the command line that starts the guest")


def is_to_come(host: Host) -> bool:
    """Tell whether nothing uses reservations, and the host as a whole is examined."""
    return host.socket is None and host.runs and not host.guests


def step(host: Host) -> Iterator[Result]:
    """Name the command that gives a disk to a guest."""
    manager = _manager(host)
    disk = next(iter(host.named), None) or _disk(host)
    advice = (
        f"once the lines above are ok, put what this prints {manager.place}:"
        f" qemu-pr command-line {manager.options}{disk}"
    )
    what = f"no guest that runs has a disk with reservations; {manager.name} runs guests here"
    if manager is _PLAIN:
        what = "no guest that runs has a disk with reservations"
    if host.maps:
        advice = f"see that this finds nothing: qemu-pr multipath-conf --check; {advice}"
    yield Result(Outcome.OK, "this host", what, advice)


def _manager(host: Host) -> _Manager:
    if (host.etc / "pve").is_dir():  # it brings no libvirt, but may have one besides
        return _PROXMOX
    return _LIBVIRT if libvirt.installed(host) else _PLAIN


def _disk(host: Host) -> str:
    return f"/dev/mapper/{host.maps[0].name}" if host.maps else "/dev/disk/by-id/..."
