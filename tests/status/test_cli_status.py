"""``qemu-pr status`` as operators run it: real processes, real helpers, simulated disks."""

import contextlib
import json
import os
import socket
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest

from qemu_pr.protocol import CDB_SIZE, HANDSHAKE, encode_reply
from qemu_pr.scsi import sense
from qemu_pr.scsi.commands import OutServiceAction as Out
from qemu_pr.scsi.commands import ReservationType as Type
from qemu_pr.scsi.status import RESERVATION_CONFLICT, Completion, Status
from qemu_pr.scsi.transport_ids import ISCSITransportID
from requirements import require
from status_hosts import PATIENCE, Host, run_status

CAPABILITIES = (
    "  Capabilities: persists through power loss: {}; ALL_TG_PT: yes; SPEC_I_PT: yes;"
    " types: 1 3 5 6 7 8\n"
)
POSSIBLE = CAPABILITIES.format("possible")
A, B = 0xA, 0xB


# A kernel that knows the file as a SCSI disk, and lets nobody send commands to it.
REFUSING_KERNEL = """\
#include <errno.h>
#include <scsi/sg.h>

int ioctl(int fd, unsigned long request, ...)
{
	if (request == SG_GET_VERSION_NUM)
		return 0;
	errno = EPERM;
	return -1;
}
"""

check = Completion.check_condition


def with_refusing_kernel(folder: Path) -> dict[str, str]:
    """An environment in which each file is a SCSI disk, to which the kernel lets no command pass.

    The kernel's part is played: a SCSI disk is what is missing here.
    """
    source = folder / "refuse.c"
    source.write_text(REFUSING_KERNEL)
    compiler = require("gcc", package="gcc")
    subprocess.run([compiler, "-shared", "-o", folder / "refuse.so", source], check=True)
    return {**os.environ, "LD_PRELOAD": str(folder / "refuse.so")}


def unprivileged() -> list[str]:
    """What takes root's privileges away from a program; nothing if this is not root."""
    if os.geteuid() != 0:
        return []
    setpriv = require("setpriv", package="util-linux")
    return [setpriv, "--bounding-set=-all", "--inh-caps=-all"]


@contextmanager
def served(path: str, serve: Callable[[socket.socket], object]) -> Iterator[None]:
    """Be a helper to one client, which is greeted before its commands are served."""

    def run() -> None:
        with contextlib.suppress(TimeoutError):  # then nobody came, and the test tells so
            connection, _ = server.accept()
            with connection:
                connection.settimeout(PATIENCE)
                connection.sendall(HANDSHAKE)
                connection.recv(len(HANDSHAKE))
                serve(connection)

    with socket.create_server(path, family=socket.AF_UNIX) as server:
        server.settimeout(PATIENCE)
        thread = threading.Thread(target=run)
        thread.start()
        try:
            yield
        finally:
            thread.join()


def answering(path: str, completion: Completion) -> AbstractContextManager[None]:
    """Be a helper that answers every command in the same way."""

    def serve(connection: socket.socket) -> None:
        while cdb := connection.recv(CDB_SIZE):
            connection.sendall(encode_reply(cdb, completion))

    return served(path, serve)


def shown(disk: Path, host: Host) -> str:
    done = run_status(disk, "--socket", host.socket)

    assert done.stderr == ""
    assert done.returncode == 0
    return done.stdout.replace(str(disk), "DISK")


def test_a_fresh_disk(disk: Path, a: Host) -> None:
    assert shown(disk, a) == (
        "DISK: not reserved, nobody is registered\n"
        "  HOST      PORT  KEY  HOLDER  READ  WRITE\n"
        "  everyone  -     -    -       yes   yes\n"
        "  PR generation: 0x0\n" + POSSIBLE
    )


def test_registered_only(disk: Path, a: Host, b: Host) -> None:
    a.register(A)
    b.register(B)

    assert shown(disk, b) == (
        "DISK: not reserved, 2 registrations\n"
        "  HOST                  PORT  KEY  HOLDER  READ  WRITE\n"
        "  naa.600140500000000a  1     0xa  no      yes   yes\n"
        "  naa.600140500000000b  1     0xb  no      yes   yes\n"
        "  everyone else         -     -    -       yes   yes\n"
        "  PR generation: 0x2\n" + POSSIBLE
    )


# Of host B, the holder, of host A, and of everyone else: holder, reads, writes.
EVERY_TYPE = {
    Type.WRITE_EXCLUSIVE: (
        "naa.600140500000000b, type 1 (Write Exclusive)",
        "yes     yes   yes",
        "no      yes   no",
        "-       yes   no",
    ),
    Type.EXCLUSIVE_ACCESS: (
        "naa.600140500000000b, type 3 (Exclusive Access)",
        "yes     yes   yes",
        "no      no    no",
        "-       no    no",
    ),
    Type.WRITE_EXCLUSIVE_REGISTRANTS_ONLY: (
        "naa.600140500000000b, type 5 (Write Exclusive, registrants only)",
        "yes     yes   yes",
        "no      yes   yes",
        "-       yes   no",
    ),
    Type.EXCLUSIVE_ACCESS_REGISTRANTS_ONLY: (
        "naa.600140500000000b, type 6 (Exclusive Access, registrants only)",
        "yes     yes   yes",
        "no      yes   yes",
        "-       no    no",
    ),
    Type.WRITE_EXCLUSIVE_ALL_REGISTRANTS: (
        "everyone registered (2 registrations), type 7 (Write Exclusive, all registrants)",
        "yes     yes   yes",
        "yes     yes   yes",
        "-       yes   no",
    ),
    Type.EXCLUSIVE_ACCESS_ALL_REGISTRANTS: (
        "everyone registered (2 registrations), type 8 (Exclusive Access, all registrants)",
        "yes     yes   yes",
        "yes     yes   yes",
        "-       no    no",
    ),
}


@pytest.mark.parametrize("type_", EVERY_TYPE)
def test_every_type(disk: Path, a: Host, b: Host, type_: Type) -> None:
    a.register(A)
    b.register(B)
    b.reserve(B, type_)
    headline, holder, registered, others = EVERY_TYPE[type_]

    lines = shown(disk, a).splitlines()

    rows = {f"naa.600140500000000a  1     0xa  {registered}"}
    rows |= {f"naa.600140500000000b  1     0xb  {holder}"}
    assert lines[0] == f"DISK: RESERVED by {headline}"
    assert {line.strip() for line in lines[2:4]} == rows
    assert lines[4].strip() == f"everyone else         -     -    {others}"


def test_the_holder_comes_first(disk: Path, a: Host, b: Host) -> None:
    a.register(A)
    b.register(B)
    b.reserve(B, Type.WRITE_EXCLUSIVE)

    first_row = shown(disk, a).splitlines()[2]

    assert first_row.split()[0] == "naa.600140500000000b"


def test_iscsi_names_all_target_ports_and_persistence(
    disk: Path, host: Callable[[str], Host]
) -> None:
    node = host("iqn.2026-11.com.example:node-1,i,0x00023d000001")
    node.register(0x123ABC, aptpl=True, all_tg_pt=True)
    node.reserve(0x123ABC, Type.EXCLUSIVE_ACCESS)

    assert shown(disk, node) == (
        "DISK: RESERVED by iqn.2026-11.com.example:node-1,i,0x00023d000001,"
        " type 3 (Exclusive Access)\n"
        "  HOST                                             PORT  KEY       HOLDER  READ  WRITE\n"
        "  iqn.2026-11.com.example:node-1,i,0x00023d000001  all   0x123abc  yes     yes   yes\n"
        "  everyone else                                    -     -         -       no    no\n"
        "  PR generation: 0x1\n" + CAPABILITIES.format("active")
    )


@pytest.mark.parametrize(
    ("act", "note"),
    [
        (
            lambda b: b.preempt(B, A, Type.WRITE_EXCLUSIVE),
            "REGISTRATIONS PREEMPTED (06/2A/05): another host removed this host's registration",
        ),
        (
            lambda b: b.out(Out.CLEAR, B),
            "RESERVATIONS PREEMPTED (06/2A/03): another host cleared all registrations, also"
            " this host's",
        ),
        (
            lambda b: b.out(Out.RELEASE, B, type_=Type.WRITE_EXCLUSIVE_REGISTRANTS_ONLY),
            "RESERVATIONS RELEASED (06/2A/04): a reservation that let this host write is gone or"
            " has changed",
        ),
    ],
    ids=["preempted", "cleared", "released"],
)
def test_a_unit_attention_is_noted_once(
    disk: Path, a: Host, b: Host, act: Callable[[Host], object], note: str
) -> None:
    a.register(A)
    b.register(B)
    b.reserve(B, Type.WRITE_EXCLUSIVE_REGISTRANTS_ONLY)
    act(b)

    first, second = shown(disk, a), shown(disk, a)

    assert first == second + (
        f"  Note: the disk told this host: {note}\n"
        "  Note: it tells this once, so other programs on this host will not hear of it\n"
    )


def test_more_registrations_than_fit_are_announced(disk: Path, host: Callable[[str], Host]) -> None:
    first, last = host("iqn.2026-11.com.example:first"), host("iqn.2026-11.com.example:last")
    ports = [ISCSITransportID(f"iqn.2026-11.com.example:{number}") for number in range(240)]
    first.out(Out.REGISTER, 0, A, initiator_ports=tuple(ports[:120]))
    last.out(Out.REGISTER, 0, B, initiator_ports=tuple(ports[120:]))
    last.out(Out.REGISTER, B, 0)
    last.register(B)  # behind all others
    last.reserve(B, Type.WRITE_EXCLUSIVE)

    lines = shown(disk, first).splitlines()

    assert lines[0] == "DISK: RESERVED by the host with key 0xb, type 1 (Write Exclusive)"
    assert lines[-1] == (
        "  Note: the disk's answer had no room for all registrations: those above are not all"
    )


def test_json_names_the_same_things_whatever_happens(disk: Path, a: Host, b: Host) -> None:
    a.register(A)
    b.register(B)
    b.preempt(B, A, Type.WRITE_EXCLUSIVE)
    b.reserve(B, Type.WRITE_EXCLUSIVE)

    done = run_status("--json", disk, "/nosuch", "--socket", a.socket)

    good, failed = json.loads(done.stdout)
    assert done.returncode == 15
    assert list(good) == list(failed)
    assert good == {
        "device": str(disk),
        "error": None,
        "prgeneration": 3,
        "reservation": {
            "reservation_key": "0xb",
            "scope": 0,
            "type": 1,
            "type_name": "Write Exclusive",
        },
        "registrations": [
            {
                "initiator": "naa.600140500000000b",
                "reservation_key": "0xb",
                "all_tg_pt": False,
                "r_holder": True,
                "scope": 0,
                "type": 1,
                "type_name": "Write Exclusive",
                "relative_target_port_identifier": 1,
                "transport_id": {
                    "protocol_identifier": 6,
                    "sas_address": "0x600140500000000b",
                },
                "read": True,
                "write": True,
            }
        ],
        "registered": 1,
        "complete": True,
        "others": {"read": True, "write": False},
        "consistent": True,
        "capabilities": {
            "rlr_c": False,
            "crh": True,
            "sip_c": True,
            "atp_c": True,
            "ptpl_c": True,
            "tmv": True,
            "allow_commands": 1,
            "ptpl_a": False,
            "persistent_reservation_type_mask": {
                "wr_ex": True,
                "ex_ac": True,
                "wr_ex_ro": True,
                "ex_ac_ro": True,
                "wr_ex_ar": True,
                "ex_ac_ar": True,
            },
        },
        "unit_attentions": [
            {
                "sense_key": 6,
                "additional_sense_code": 0x2A,
                "additional_sense_code_qualifier": 5,
                "text": "registrations preempted",
            }
        ],
    }
    assert failed["error"] == {
        "exit_status": 15,
        "reason": "cannot open it: No such file or directory",
        "advice": "'lsblk --scsi' lists the SCSI disks of this host",
        "sense": None,
    }
    assert {value for name, value in failed.items() if name not in ("device", "error")} == {None}


def test_json_tells_the_sense_of_a_failure(disk: Path) -> None:
    (failed,) = json.loads(run_status("--json", disk).stdout)

    assert failed["error"]["exit_status"] == 11
    assert failed["error"]["sense"] == {
        "sense_key": 0xB,
        "additional_sense_code": 0,
        "additional_sense_code_qualifier": 6,
        "text": "I/O process terminated",
    }


def test_disks_are_asked_directly_without_a_socket(
    disk: Path, folder: Path, a: Host, b: Host
) -> None:
    """Here SG_IO is carried from this process to a helper, for want of a SCSI disk."""
    compiler = require("gcc", package="gcc")
    source = Path(__file__).parents[1] / "persist/sg_io_shim.c"
    shim = folder / "shim.so"
    subprocess.run([compiler, "-shared", "-fPIC", "-o", shim, source], check=True)
    a.register(A)
    b.register(B)
    a.reserve(A, Type.EXCLUSIVE_ACCESS)
    environment = {**os.environ, "LD_PRELOAD": str(shim), "QEMU_PR_SHIM_SOCKET": a.socket}

    directly = run_status(disk, env=environment)

    assert directly.stdout == run_status(disk, "--socket", a.socket).stdout
    assert directly.stdout.startswith(f"{disk}: RESERVED by naa.600140500000000a")


def test_names_that_the_locale_or_the_terminal_cannot_show_are_escaped(
    folder: Path, host: Callable[[str], Host]
) -> None:
    node = host("iqn.2026-11.com.example:caf\u00e9")
    node.register(A)
    odd = os.fsencode(folder) + b"/\x1b[31m\xff.img"
    os.symlink(folder / "disk.img", odd)

    done = run_status(
        odd.decode(errors="surrogateescape"),
        "--socket",
        node.socket,
        env={**os.environ, "PYTHONIOENCODING": "ascii"},
    )

    lines = done.stdout.splitlines()
    assert (done.returncode, done.stderr) == (0, "")
    assert lines[0] == f"{folder}/\\x1b[31m\\udcff.img: not reserved, 1 registration"
    assert lines[2].split()[0] == "iqn.2026-11.com.example:caf\\xe9"


class TestErrors:
    def test_one_disk_that_fails_does_not_hide_the_others(
        self, disk: Path, folder: Path, a: Host
    ) -> None:
        other = folder / "other.img"
        other.touch()

        done = run_status(disk, "/nosuch", other, "--socket", a.socket)

        assert done.returncode == 15
        assert done.stdout.split("\n\n")[0].startswith(f"{disk}: not reserved")
        assert done.stdout.split("\n\n")[1].startswith(f"{other}: not reserved")
        assert done.stderr == (
            "qemu-pr: status: /nosuch: cannot open it: No such file or directory;"
            " 'lsblk --scsi' lists the SCSI disks of this host\n"
        )

    def test_the_exit_status_is_that_of_the_first_disk_that_failed(
        self, disk: Path, a: Host
    ) -> None:
        not_scsi, missing = "/dev/null", "/nosuch"

        assert run_status(disk, not_scsi, missing, "--socket", a.socket).returncode == 11
        assert run_status(disk, missing, not_scsi, "--socket", a.socket).returncode == 15

    def test_a_helper_that_is_not_there(self, disk: Path, folder: Path) -> None:
        done = run_status(disk, "--socket", folder / "no.sock")

        assert (done.returncode, done.stdout) == (15, "")
        assert done.stderr == (
            f"qemu-pr: status: {disk}: Failed to connect to '{folder}/no.sock': No such file or"
            " directory; start qemu-pr-helper, or run as root without --socket\n"
        )

    def test_a_helper_that_hangs_up(self, disk: Path, folder: Path) -> None:
        path = str(folder / "rude.sock")

        with served(path, lambda connection: connection.recv(CDB_SIZE)):
            done = run_status(disk, "--socket", path)

        assert (done.returncode, done.stdout) == (11, "")
        assert done.stderr == (
            f"qemu-pr: status: {disk}: READ FULL STATUS: aborted command: logical unit"
            " communication failure (0B/08/00): the helper closed the connection; see the"
            " helper's log\n"
        )

    @pytest.mark.parametrize(
        ("completion", "exit_status", "why"),
        [
            (RESERVATION_CONFLICT, 24, "reservation conflict; another host holds the disk with"),
            (Completion(Status.BUSY), 26, "busy; run the command again"),
            (check(sense.MEDIUM_NOT_PRESENT), 2, "not ready: medium not present (02/3A/00); wait"),
            (check(sense.INTERNAL_TARGET_FAILURE), 3, "hardware error: internal target failure"),
            (
                check(sense.POWER_ON_RESET_OR_BUS_DEVICE_RESET),
                6,
                "unit attention: power on, reset, or bus device reset occurred (06/29/00)",
            ),
        ],
        ids=["conflict", "busy", "not ready", "hardware error", "unit attention without end"],
    )
    def test_what_a_disk_answers_tells_the_exit_status(
        self, disk: Path, folder: Path, completion: Completion, exit_status: int, why: str
    ) -> None:
        path = str(folder / "scripted.sock")

        with answering(path, completion):
            done = run_status(disk, "--socket", path)

        assert (done.returncode, done.stdout) == (exit_status, "")
        assert done.stderr.startswith(f"qemu-pr: status: {disk}: READ FULL STATUS: {why}")
        assert done.stderr.count("\n") == 1

    def test_an_answer_that_makes_no_sense(self, disk: Path, folder: Path) -> None:
        path = str(folder / "scripted.sock")

        with answering(path, Completion(Status.GOOD, data=b"?")):
            done = run_status(disk, "--socket", path)

        assert (done.returncode, done.stdout) == (97, "")
        assert done.stderr == (
            f"qemu-pr: status: {disk}: the disk's answer makes no sense: READ KEYS: PRGENERATION:"
            " needs 4 bytes, got 1\n"
        )

    def test_a_scsi_disk_without_the_privilege(self, disk: Path, folder: Path) -> None:
        done = run_status(disk, prefix=unprivileged(), env=with_refusing_kernel(folder))

        assert (done.returncode, done.stdout) == (11, "")
        assert done.stderr == (
            f"qemu-pr: status: {disk}: no permission to send SCSI commands (CAP_SYS_RAWIO);"
            " run as root, or name a helper with --socket\n"
        )

    def test_a_scsi_disk_and_a_helper_without_the_privilege(self, disk: Path, folder: Path) -> None:
        path = str(folder / "scripted.sock")
        advice = "start it as root"
        if os.geteuid() == 0:  # it is root's already
            advice = "what starts it, a unit or a container, must leave it CAP_SYS_RAWIO"

        with answering(path, check(sense.COMMAND_IO_PROCESS_TERMINATED)):
            done = run_status(disk, "--socket", path, env=with_refusing_kernel(folder))

        assert (done.returncode, done.stdout) == (11, "")
        assert done.stderr.endswith(f"; the helper may not send SCSI commands: {advice}\n")

    @pytest.mark.parametrize("path", ["/dev/null", "/tmp"])
    def test_what_is_no_scsi_disk(self, path: str) -> None:
        done = run_status(path)

        assert (done.returncode, done.stdout) == (11, "")
        assert done.stderr == (
            f"qemu-pr: status: {path}: not a SCSI disk (0B/00/06);"
            " 'lsblk --scsi' lists the SCSI disks of this host\n"
        )

    def test_a_regular_file_without_a_simulating_helper(self, disk: Path) -> None:
        done = run_status(disk)

        assert done.returncode == 11
        assert done.stderr == (
            f"qemu-pr: status: {disk}: not a SCSI disk (0B/00/06);"
            " a regular file needs --socket with a helper that runs with --simulate\n"
        )

    def test_a_disk_that_may_not_be_read(self, disk: Path) -> None:
        disk.chmod(0)

        done = run_status(disk, prefix=unprivileged())

        assert (done.returncode, done.stdout) == (15, "")
        assert done.stderr == (
            f"qemu-pr: status: {disk}: cannot open it: Permission denied;"
            " run as root, or be in the disk's group and name a helper with --socket\n"
        )

    @pytest.mark.parametrize("arguments", [[], ["--socket"], ["disk", "--bogus"]])
    def test_wrong_options(self, arguments: list[str]) -> None:
        done = run_status(*arguments)

        assert (done.returncode, done.stdout) == (1, "")
        assert done.stderr.startswith("qemu-pr: status: ")
        assert done.stderr.count("\n") == 1
