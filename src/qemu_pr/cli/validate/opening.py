"""From the options to two ways to one disk that nobody uses."""

import argparse
import os
from contextlib import ExitStack
from dataclasses import dataclass, field

from qemu_pr.cli.validate.options import OptionsError
from qemu_pr.validate.preconditions import (
    Identity,
    RefusedError,
    identify,
    is_regular,
    map_paths,
    open_unused,
    require_one_disk,
    require_reservations,
)
from qemu_pr.validate.steps import Who
from qemu_pr.validate.ways import CommandWay, HelperWay, KernelWay, SimulatedWay, Way

_SIMULATED_HOSTS = {Who.DISK: "naa.5000000000000001", Who.PEER: "naa.5000000000000002"}
_ON_PEER_ALONE = "other-disk"


@dataclass
class Opened:
    """A disk, and the ways to it.

    Attributes:
        disk: As the operator named it.
        ways: The ways; without a peer, one.
        identity: What the disk says of itself.
        name: What the disk is known by in records.
        paths: How many paths a way's multipath map has, if it leads to one.
        is_simulated: Whether it is a regular file.
    """

    disk: str
    ways: dict[Who, Way] = field(default_factory=dict)
    identity: Identity = field(default_factory=Identity)
    name: str = ""
    paths: dict[Who, int] = field(default_factory=dict)
    is_simulated: bool = False


def open_ways(args: argparse.Namespace, stack: ExitStack) -> Opened:
    """Open the ways, and make sure that they lead to one disk with reservations.

    Args:
        args: The options.
        stack: What closes them.

    Raises:
        OptionsError: The options name no two ways.
        RefusedError: The disk is not to be examined.
        ConnectError: No helper answers.
        SimulationError: The STATE file cannot be used.
        LostError: The disk does not answer.
    """
    opened = Opened(args.disk)
    fd = open_unused(args.disk)
    opened.is_simulated = is_regular(fd)
    status = os.fstat(fd)
    opened.ways[Who.DISK] = _way(args, Who.DISK, args.disk, fd, args.socket, stack)
    opened.paths[Who.DISK] = map_paths(args.disk)
    if _has_peer(args):
        _add_peer(args, opened, status, stack)
    for way in opened.ways.values():
        require_reservations(way)
    identities = {who: identify(way) for who, way in opened.ways.items()}
    opened.identity = identities[Who.DISK]
    if Who.PEER in opened.ways:
        require_one_disk(
            opened.ways[Who.DISK], opened.identity, opened.ways[Who.PEER], identities[Who.PEER]
        )
    opened.name = opened.identity.name or f"{status.st_dev}:{status.st_ino}:{status.st_rdev}"
    return opened


def _has_peer(args: argparse.Namespace) -> bool:
    return any((args.peer, args.peer_socket, args.peer_command, args.simulate))


def _add_peer(
    args: argparse.Namespace, opened: Opened, disk: os.stat_result, stack: ExitStack
) -> None:
    path = args.peer or args.disk
    if args.peer_command is not None:
        try:
            opened.ways[Who.PEER] = CommandWay(args.peer_command, path)
        except ValueError as error:
            what = f"--peer-command {args.peer_command}: {error}"
            raise OptionsError(f"{what}; write it as a shell would have it") from None
        return
    is_same = os.path.exists(path) and _is_one_node(os.stat(path), disk)
    if is_same and not args.simulate and _is_one_socket(args.socket, args.peer_socket):
        raise OptionsError(
            f"{path}: PEER is DISK by the same way, which is one nexus: name another path, or"
            " another host's helper with --peer-socket or --peer-command"
        )
    # What is open for this program alone cannot be opened for it alone a second time.
    fd = os.dup(opened.ways[Who.DISK].fd) if is_same else open_unused(path)
    if is_regular(fd) != opened.is_simulated or (opened.is_simulated and not is_same):
        os.close(fd)
        raise RefusedError(path, f"it is another disk than {args.disk}", "name one disk twice")
    opened.ways[Who.PEER] = _way(args, Who.PEER, path, fd, args.peer_socket, stack)
    opened.paths[Who.PEER] = map_paths(path)


def _is_one_node(one: os.stat_result, other: os.stat_result) -> bool:
    if one.st_rdev or other.st_rdev:
        return one.st_rdev == other.st_rdev
    return os.path.samestat(one, other)


def _is_one_socket(one: str | None, other: str | None) -> bool:
    if one is None or other is None:
        return one is other
    return os.path.realpath(one) == os.path.realpath(other)


def _way(
    args: argparse.Namespace, who: Who, path: str, fd: int, socket: str | None, stack: ExitStack
) -> Way:
    regular = is_regular(fd)
    on_failure = stack.enter_context(ExitStack())
    on_failure.callback(os.close, fd)
    way: Way
    if args.simulate is not None:
        if not regular:
            raise RefusedError(path, "it is a real disk", "leave out --simulate, or name a file")
        quirk = args.quirk
        if quirk == _ON_PEER_ALONE and who is Who.DISK:
            quirk = None
        way = SimulatedWay(path, fd, args.simulate, _SIMULATED_HOSTS[who], quirk)
    elif socket is not None:
        way = HelperWay(path, fd, socket, is_regular=regular)
    elif regular:
        advice = (
            "name helpers that simulate it with --socket and --peer-socket, or --simulate STATE"
        )
        raise RefusedError(path, "it is a regular file", advice)
    else:
        way = KernelWay(path, fd)
    on_failure.pop_all()
    stack.callback(way.close)
    return way
