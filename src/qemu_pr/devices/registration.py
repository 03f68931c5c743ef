"""A map's registration beside commands: paths that come back, and other hosts that preempt it.

multipathd registers a path that comes back if the map's key is on the disk. After a live migration
it is, as the guest has the same key on the host that it went to; and the host that it left would be
let in again. So multipathd must forget the key of a map of which no path is registered any more.
"""

from collections.abc import Iterable

from qemu_pr.devices import map_paths, multipathd
from qemu_pr.scsi.commands import (
    InServiceAction,
    OutServiceAction,
    PersistentReserveIn,
    PersistentReserveOut,
)
from qemu_pr.scsi.errors import MalformedError
from qemu_pr.scsi.parameter_data import ReportCapabilities
from qemu_pr.scsi.parameter_lists import BASIC_SIZE, ParameterList
from qemu_pr.scsi.status import GOOD, RESERVATION_CONFLICT

_REPORT_CAPABILITIES = map_paths.encode(PersistentReserveIn(InServiceAction.REPORT_CAPABILITIES, 8))


def forget_if_preempted(device: int) -> str:
    """Have multipathd forget a map's key if no path of the map is registered with it any more.

    Args:
        device: The map's number.

    Returns:
        What an operator has to know: that it cannot forget; empty if there is nothing.
    """
    name = map_paths.name(device)
    key = multipathd.known_key(name)
    if not key or is_registered(map_paths.nodes(device), key) or multipathd.forget(name):
        return ""
    return (
        f"another host has preempted the key {key:#x} of map {name}, and multipathd keeps it, as it"
        " stands in multipath.conf: if that host has the same key, paths that come back here are"
        " registered with it; set 'reservation_key file' there"
    )


def register_paths(device: int, paths: Iterable[str]) -> None:
    """Register paths that are back, if the map's others still are.

    Args:
        device: The map's number.
        paths: Their block nodes.
    """
    try:
        key = multipathd.known_key(map_paths.name(device))
        others = sorted(set(map_paths.nodes(device)) - set(paths))
    except OSError:  # the map is gone
        return
    if not key or not any(map(map_paths.answers, others)) or not is_registered(others, key):
        return
    command = PersistentReserveOut(OutServiceAction.REGISTER_AND_IGNORE_EXISTING_KEY, BASIC_SIZE)
    parameters = ParameterList(0, key, aptpl=is_aptpl_active(others)).encode()
    for _ in map_paths.on_each(paths, map_paths.encode(command), parameters):
        pass


def is_registered(nodes: Iterable[str], key: int) -> bool:
    """Tell whether one of these paths has a key: REGISTER of the same one changes nothing else.

    One that does not answer may have it.

    Args:
        nodes: The block nodes of the paths.
        key: The key, which is not 0.
    """
    nodes = list(nodes)
    command = PersistentReserveOut(OutServiceAction.REGISTER, BASIC_SIZE)
    parameters = ParameterList(key, key, aptpl=is_aptpl_active(nodes)).encode()
    answers = list(map_paths.on_each(nodes, map_paths.encode(command), parameters))
    return not answers or any(answer != RESERVATION_CONFLICT for _, answer in answers)


def is_aptpl_active(nodes: Iterable[str]) -> bool:
    """Tell whether registrations persist through power loss, as a path of a disk tells it."""
    for _, answer in map_paths.on_each(nodes, _REPORT_CAPABILITIES):
        if answer.status == GOOD.status:
            try:
                return ReportCapabilities.decode(answer.data).ptpl_a
            except MalformedError:
                return False
    return False
