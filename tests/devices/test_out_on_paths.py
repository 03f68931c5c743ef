"""A map without libmpathpersist, on paths that are simulated; the lab has real ones."""

import socket
import struct
import threading
from contextlib import suppress

import pytest

from qemu_pr.devices import DeviceError, map_paths, multipathd, out_on_paths
from qemu_pr.devices.mpathpersist import NoReservationKeyError
from qemu_pr.logical_unit import LogicalUnit, MemoryState, Nexus
from qemu_pr.scsi.commands import OutServiceAction, PersistentReserveOut
from qemu_pr.scsi.parameter_lists import ParameterList
from qemu_pr.scsi.sense import Sense
from qemu_pr.scsi.sense_keys import SenseKey
from qemu_pr.scsi.status import GOOD, RESERVATION_CONFLICT, Completion
from qemu_pr.scsi.transport_ids import SASTransportID

OURS, OLD, THEIRS = 0xA1, 0xA0, 0xB2
PATHS = ["/dev/sdb", "/dev/sdc"]
FULL = Completion.check_condition(Sense(SenseKey.ILLEGAL_REQUEST, 0x55, 0x04))
Out = OutServiceAction


class Paths:
    """Paths to one simulated disk."""

    def __init__(self):
        self.state = MemoryState()
        self.unit = LogicalUnit(self.state)
        self.refuses = {}  # what a path answers to REGISTER

    def nexus(self, path):
        return Nexus(SASTransportID(ord(path[-1])))

    def on_each(self, paths, cdb, data=b""):
        for path in paths:
            refused = self.refuses.get(path) if cdb[1] == Out.REGISTER else None
            yield path, refused or self.unit.execute(self.nexus(path), cdb, data)

    def register(self, path, key):
        cdb = map_paths.encode(PersistentReserveOut(Out.REGISTER_AND_IGNORE_EXISTING_KEY, 24))
        list(self.on_each([path], cdb, ParameterList(0, key).encode()))

    @property
    def keys(self):
        found = [self.state.registration(self.nexus(path)) for path in PATHS]
        return [one.key if one else 0 for one in found]


class Multipathd:
    """multipathd's socket, and what it remembers of one map."""

    def __init__(self, address):
        self.key, self.is_set, self.holds = "none", False, None
        self.fixed_key = False
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.bind(address)
        self._socket.listen()
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self):
        while True:
            connection = self._socket.accept()[0]
            with connection, connection.makefile("rwb") as file:
                (size,) = struct.unpack("@N", file.read(8))
                command = file.read(size).rstrip(b"\0").decode()
                reply = self._answer(*command.split()).encode() + b"\n\0"
                file.write(struct.pack("@N", len(reply)) + reply)

    def _answer(self, verb, _map, _alias, *key):
        if verb == "getprkey":
            return self.key
        if verb.endswith("setprkey") and self.fixed_key:
            return "fail"
        if verb.endswith("setprkey"):
            self.key = f"0x{key[1]}" if key else "none"
        if verb.endswith("setprstatus"):
            self.is_set = verb == "setprstatus"
        if verb.endswith("setprhold"):
            self.holds = verb == "setprhold"
        return "ok"


@pytest.fixture
def paths(monkeypatch):
    found = Paths()
    monkeypatch.setattr(map_paths, "on_each", found.on_each)
    return found


@pytest.fixture(autouse=True)
def daemon(monkeypatch, tmp_path):
    address = str(tmp_path / "multipathd.socket")
    monkeypatch.setattr(multipathd, "_ADDRESSES", (str(tmp_path / "nobody"), address))
    monkeypatch.setattr(multipathd, "_knows_hold", True)
    return Multipathd(address)


def out(action, key, other=0, type_=5, usable=PATHS):
    command = PersistentReserveOut(action, 24, type=type_)
    return out_on_paths.persistent_reserve_out(
        "mpatha", usable, command, ParameterList(key, other).encode()
    )


def test_a_key_is_registered_on_every_path_and_multipathd_is_told(paths, daemon):
    assert out(Out.REGISTER, 0, OURS) == GOOD

    assert paths.keys == [OURS, OURS]
    assert (daemon.key, daemon.is_set) == ("0xa1", True)


def test_unregistering_takes_it_from_every_path_and_multipathd_forgets_it(paths, daemon):
    out(Out.REGISTER, 0, OURS)

    assert out(Out.REGISTER, OURS, 0) == GOOD

    assert paths.keys == [0, 0]
    assert (daemon.key, daemon.is_set) == ("none", False)


def test_a_path_that_is_behind_gets_the_key_all_the_same(paths):
    paths.register(PATHS[0], OLD)

    assert out(Out.REGISTER, OLD, OURS) == GOOD

    assert paths.keys == [OURS, OURS]


def test_a_key_that_no_path_has_is_a_conflict_and_changes_nothing(paths, daemon):
    out(Out.REGISTER, 0, OURS)

    assert out(Out.REGISTER, THEIRS, OLD) == RESERVATION_CONFLICT

    assert paths.keys == [OURS, OURS]
    assert daemon.key == "0xa1"


@pytest.mark.parametrize("old", [0, OLD])
def test_a_path_that_refuses_leaves_the_others_as_they_were(paths, daemon, old):
    out(Out.REGISTER_AND_IGNORE_EXISTING_KEY, 0, old)
    before = daemon.key
    paths.refuses = {PATHS[1]: FULL}

    assert out(Out.REGISTER, old, OURS) == FULL

    assert paths.keys == [old, old]
    assert daemon.key == before


def test_a_path_that_does_not_reach_the_disk_is_left_out(paths):
    paths.refuses = {PATHS[0]: next(iter(map_paths.TRANSPORT_FAILURES))}

    assert out(Out.REGISTER, 0, OURS) == GOOD

    assert paths.keys == [0, OURS]


@pytest.mark.parametrize("action", [Out.REGISTER, Out.RESERVE])
@pytest.mark.usefixtures("paths")
def test_without_a_path_the_command_fails_and_multipathd_keeps_what_it_had(daemon, action):
    with pytest.raises(DeviceError, match="no path of the map is usable"):
        out(action, 0, OURS, usable=[])

    assert daemon.key == "none"


def test_a_key_that_multipath_conf_does_not_allow_is_registered_nowhere(paths, daemon):
    daemon.key, daemon.fixed_key = "0xb2", True

    with pytest.raises(NoReservationKeyError, match="reservation_key file"):
        out(Out.REGISTER, 0, OURS)

    assert paths.keys == [0, 0]


@pytest.mark.parametrize("type_", [5, 7])
def test_one_path_reserves_for_all_and_multipathd_knows_who_holds(paths, daemon, type_):
    out(Out.REGISTER, 0, OURS)

    assert out(Out.RESERVE, OURS, type_=type_) == GOOD

    assert paths.state.reservation.type == type_
    assert daemon.holds is True


def test_whoever_preempts_a_key_that_holds_nothing_does_not_hold(paths, daemon):
    out(Out.REGISTER, 0, OURS)
    paths.register("/dev/sdx", THEIRS)
    paths.register("/dev/sdy", OLD)
    cdb = map_paths.encode(PersistentReserveOut(Out.RESERVE, 24, type=5))
    list(paths.on_each(["/dev/sdx"], cdb, ParameterList(THEIRS).encode()))

    assert out(Out.PREEMPT, OURS, OLD) == GOOD

    assert daemon.holds is False


def test_clear_takes_every_key_and_multipathd_forgets_it(paths, daemon):
    out(Out.REGISTER, 0, OURS)

    assert out(Out.CLEAR, OURS) == GOOD

    assert paths.keys == [0, 0]
    assert (daemon.key, daemon.is_set) == ("none", False)


@pytest.mark.usefixtures("paths")
def test_without_multipathd_a_registration_is_made_and_nobody_waits(monkeypatch):
    monkeypatch.setattr(multipathd, "_ADDRESSES", ("/nonexistent/socket",))

    assert out(Out.REGISTER, 0, OURS) == GOOD


@pytest.mark.timeout(60)
def test_whoever_listens_in_multipathd_s_place_cannot_fill_the_memory(monkeypatch, tmp_path):
    address = str(tmp_path / "pretender")
    with socket.socket(socket.AF_UNIX) as pretender:
        pretender.bind(address)
        pretender.listen()
        monkeypatch.setattr(multipathd, "_ADDRESSES", (address,))

        def talk_without_end():
            with pretender.accept()[0] as connection, suppress(OSError):
                connection.sendall(struct.pack("@N", 1 << 40))
                while True:
                    connection.sendall(bytes(1 << 16))

        threading.Thread(target=talk_without_end, daemon=True).start()

        assert multipathd.known_key("mpatha") == 0
