"""libmpathpersist, without a map: the real one works with maps only, which the lab has."""

import ctypes

import pytest

from qemu_pr.devices import DeviceError, mpathpersist
from qemu_pr.devices.isolated import Isolated
from qemu_pr.devices.mpathpersist import SONAME, Library
from qemu_pr.devices.multipath import MultipathMap
from qemu_pr.scsi.commands import OutServiceAction, PersistentReserveOut
from qemu_pr.scsi.sense import Sense
from qemu_pr.scsi.status import GOOD, RESERVATION_CONFLICT, Status
from requirements import unavailable

PATHS = ("/dev/sdb", "/dev/sdc")
REGISTER = PersistentReserveOut(OutServiceAction.REGISTER, 24)


class Returns:
    """A library that returns a code and remembers what it was given."""

    def __init__(self, code):
        self.code = code

        self.looks = 0
        setattr(self, "__mpath_persistent_reserve_out", self._out)

    def mpath_persistent_reserve_free_vecs(self):
        self.looks += 1

    def mpath_persistent_reserve_init_vecs(self, _verbosity):
        return 0

    def _out(self, fd, action, scope, kind, parameters, *_options):
        self.given = fd, action, scope, kind, parameters.raw
        return self.code


@pytest.fixture
def not_loaded():
    for cached in (mpathpersist.why_missing, mpathpersist.load):
        cached.cache_clear()
    yield
    for cached in (mpathpersist.why_missing, mpathpersist.load):
        cached.cache_clear()


def test_a_library_that_ends_its_process_costs_the_command_only():
    try:
        ctypes.CDLL(SONAME)
    except OSError:
        unavailable("libmpathpersist is not installed: apt-get install multipath-tools")
    device = Isolated(MultipathMap, lambda: None)

    with open("/dev/null", "r+b") as no_map:
        for _ in range(2):
            with pytest.raises(DeviceError):
                device.execute(no_map.fileno(), REGISTER.encode().ljust(16, b"\0"), bytes(24))


@pytest.mark.parametrize("soname", ["libnosuch.so.0", "libc.so.6"], ids=["missing", "too_old"])
@pytest.mark.usefixtures("not_loaded")
def test_a_library_that_is_missing_or_too_old_is_no_error(monkeypatch, soname):
    monkeypatch.setattr(mpathpersist, "SONAME", soname)

    assert mpathpersist.load() is None


def test_the_library_gets_the_list_and_room_behind_it():
    library = Returns(0)
    command = PersistentReserveOut(OutServiceAction.RESERVE, 24, scope=0, type=5)

    completion = Library(library).persistent_reserve_out(3, command, bytes(range(24)), PATHS)

    assert completion == GOOD
    assert library.given == (3, 1, 0, 5, bytes(range(24)) + bytes(8200))


@pytest.mark.parametrize(
    ("code", "action", "sense"),
    [
        (2, OutServiceAction.REGISTER, "02/04/00"),
        (3, OutServiceAction.REGISTER, "03/00/00"),
        (4, OutServiceAction.REGISTER, "04/44/00"),
        (5, OutServiceAction.REGISTER, "05/26/00"),
        (5, OutServiceAction.RESERVE, "05/24/00"),
        (5, OutServiceAction.RELEASE, "05/26/04"),
        (6, OutServiceAction.REGISTER, "06/00/00"),
        (7, OutServiceAction.REGISTER, "05/20/00"),
        (8, OutServiceAction.REGISTER, "0B/00/00"),
        (9, OutServiceAction.REGISTER, "00/00/00"),
        (10, OutServiceAction.REGISTER, "0B/08/00"),
        (12, OutServiceAction.REGISTER, "0B/08/00"),
        (15, OutServiceAction.REGISTER, "0B/08/00"),
        (-1, OutServiceAction.REGISTER, "0B/08/00"),
        (99, OutServiceAction.REGISTER, "0B/08/00"),
    ],
)
def test_a_return_code_becomes_sense_data(code, action, sense):
    command = PersistentReserveOut(action, 24)

    completion = Library(Returns(code)).persistent_reserve_out(3, command, bytes(24), PATHS)

    assert completion.status == Status.CHECK_CONDITION
    assert str(Sense.decode(completion.sense)) == sense


def test_a_reservation_conflict_stays_one():
    completion = Library(Returns(11)).persistent_reserve_out(3, REGISTER, bytes(24), PATHS)

    assert completion == RESERVATION_CONFLICT


@pytest.mark.parametrize(
    ("code", "reason", "sense"),
    [(1, "reservation_key", "05/26/00"), (13, "multipath -ll", "0B/08/00")],
)
def test_what_an_operator_can_mend_is_told(code, reason, sense):
    with pytest.raises(DeviceError, match=reason) as caught:
        Library(Returns(code)).persistent_reserve_out(3, REGISTER, bytes(24), PATHS)

    assert str(Sense.decode(caught.value.completion.sense)) == sense


def test_the_library_looks_at_paths_again_only_if_they_changed():
    library = Returns(0)
    loaded = Library(library)

    looks = []
    for paths in (PATHS, PATHS, PATHS[:1], PATHS, PATHS):
        loaded.persistent_reserve_out(3, REGISTER, bytes(24), paths)
        looks.append(library.looks)

    assert looks == [1, 1, 2, 3, 3]


@pytest.mark.parametrize("change", ["conf.d/new.conf", "multipath.conf"])
def test_a_library_is_outdated_once_its_configuration_changed(tmp_path, monkeypatch, change):
    (tmp_path / "conf.d").mkdir()
    (tmp_path / "multipath.conf").write_text("defaults {\n}\n")
    monkeypatch.setattr(mpathpersist, "_CONFIGURATION", tmp_path / "multipath.conf")
    monkeypatch.setattr(mpathpersist, "_DROP_INS", tmp_path / "conf.d")
    library = Library(Returns(0))
    before = library.is_outdated

    (tmp_path / change).write_text("defaults {\n reservation_key file\n}\n")

    assert (before, library.is_outdated) == (False, True)
