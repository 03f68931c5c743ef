"""What is wrong with a helper is named, and nothing else: real processes and real sockets."""

import os
import socket
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from examined import OURS, Examine, Start, not_root
from qemu_pr.cli.qemu_pr import main
from qemu_pr.doctor.helper import answers
from qemu_pr.doctor.host import Host
from qemu_user import options_to_become
from requirements import require, unavailable

ROOT = os.geteuid() == 0


def the_only(found: tuple[int, list[dict[str, str]]], status: int) -> tuple[str, str, str]:
    """Give the check, what it says and its advice, of the only line that is not ok.

    A guest of these tests has a disk and no device for it, as scsi-block takes SCSI disks only.
    """
    exit_status, results = found
    results = [one for one in results if not one["what"].startswith("no-device: ")]
    assert exit_status == status
    assert len(results) == 1, results
    return results[0]["check"], results[0]["what"], results[0]["advice"]


def without_rawio() -> tuple[str, ...]:
    """A command that runs another one without CAP_SYS_RAWIO."""
    if not ROOT:
        return ()
    setpriv = require("setpriv", package="util-linux")
    return (setpriv, "--inh-caps=-sys_rawio", "--bounding-set=-sys_rawio")


def test_a_helper_that_simulates_is_all_right(helper: Start, examine: Examine, disk: str) -> None:
    helper("--simulate", f"{disk}.db")

    assert examine(disk) == (0, [])


def test_no_socket(examine: Examine, path: str) -> None:
    check, what, advice = the_only(examine(), status=2)

    assert (check, what) == ("socket", "No such file or directory")
    assert advice.endswith(f"start it: qemu-pr-helper -d -k {path}")


def test_the_command_to_start_it_has_an_absolute_path(
    path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(Path(path).parent)

    (result,) = answers(Host(socket=Path(path).name))

    assert result.advice.endswith(f"start it: qemu-pr-helper -d -k {path}")


def test_a_helper_on_another_socket(helper: Start, path: str) -> None:
    helper()

    found = Host(socket=f"{path}.not").helper_sockets_elsewhere()

    assert path in found


@pytest.mark.parametrize("folder_of_units", ["etc/systemd/system", "usr/lib/systemd/system"])
@pytest.mark.parametrize(
    ("listens", "served"),
    [
        ("/run/nosuch.sock", True),
        ("/var/run/nosuch.sock", True),
        ("%t/nosuch.sock", True),
        ("/run/qemu-pr-helper.sock", False),
    ],
)
def test_systemd_is_to_start_it_where_its_unit_listens_on_that_socket(
    tmp_path: Path, folder_of_units: str, listens: str, served: bool
) -> None:
    unit = tmp_path / folder_of_units / "qemu-pr-helper.socket"
    unit.parent.mkdir(parents=True)
    unit.write_text(f"[Socket]\nListenStream={listens}\n")
    proc = one_process(tmp_path)

    (result,) = answers(Host(socket="/run/nosuch.sock", proc=proc, etc=tmp_path / "etc"))

    by_systemd = result.advice.endswith("start it: systemctl enable --now qemu-pr-helper.socket")
    by_hand = result.advice.endswith("start it: qemu-pr-helper -d -k /run/nosuch.sock")
    assert (by_systemd, by_hand) == (served, not served)


def test_a_unit_that_this_user_may_not_read_hides_no_failure(folder: Path) -> None:
    unit = folder / "etc/systemd/system/qemu-pr-helper.socket"
    unit.parent.mkdir(parents=True)
    unit.touch(mode=0)
    host = Host(socket="/run/nosuch.sock", proc=one_process(folder), etc=folder / "etc")

    with not_root():
        (result,) = answers(host)

    assert result.advice.endswith("start it: qemu-pr-helper -d -k /run/nosuch.sock")


def one_process(folder: Path) -> Path:
    """A /proc of a host with a process of no interest: nothing of this one's decides."""
    (folder / "proc/1").mkdir(parents=True)
    (folder / "proc/net").mkdir(parents=True)
    (folder / "proc/net/unix").write_text("Num RefCount Protocol Flags Type St Inode Path\n")
    return folder / "proc"


def test_a_socket_that_a_dead_helper_left(examine: Examine, path: str) -> None:
    with socket.socket(socket.AF_UNIX) as left:
        left.bind(path)

    check, what, advice = the_only(examine(), status=2)

    assert (check, what) == ("socket", "Connection refused")
    assert advice.startswith("the helper that made it is gone: start it")


def test_a_file_in_the_place_of_the_socket(examine: Examine, path: str) -> None:
    Path(path).touch()

    check, what, _ = the_only(examine(), status=2)

    assert (check, what) == ("socket", "it is no socket")


def test_an_overlong_path_is_told_as_such() -> None:
    overlong = Host(socket="/" + "x" * 200).sockets[0]

    assert overlong.contact.error == "AF_UNIX path too long"


@contextmanager
def listener(path: str, greeting: bytes) -> Iterator[None]:
    """Listen like a program that is no helper, and send whoever comes a greeting."""

    def serve() -> None:
        connection, _ = listening.accept()
        with connection:
            connection.sendall(greeting)
            connection.recv(4)

    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(path)
        listening.listen()
        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield
        thread.join(20)


def test_a_helper_that_does_not_greet(
    examine: Examine, path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("qemu_pr.doctor.contact.PATIENCE", 0.2)

    with listener(path, b""):
        check, what, advice = the_only(examine(), status=2)

    assert (check, what) == ("socket", "who listens there does not greet within 0.2 s")
    assert f"look at process {os.getpid()}" in advice


def test_a_helper_that_takes_other_users_only(start: Start, examine: Examine, path: str) -> None:
    process = start(*OURS, "-k", path, "--allow-user", "54321", "-v", stderr=subprocess.PIPE)
    assert process.stderr is not None
    assert b"listening on" in process.stderr.readline()

    check, what, advice = the_only(examine(), status=3)

    assert check == "socket"
    assert what == f"process {process.pid}, qemu-pr-helper, takes connections of other users only"
    assert advice == "run as a user whom its --allow-user names"


def test_another_program_that_greets(examine: Examine, path: str) -> None:
    with listener(path, bytes(4)):
        check, what, _ = the_only(examine(), status=1)

    assert check == "peer"
    assert what.endswith(f"process {os.getpid()}, answers, and is no qemu-pr-helper")


def test_a_helper_without_its_capability(helper: Start, examine: Examine) -> None:
    helper(before=without_rawio())

    check, what, advice = the_only(examine(), status=2)

    assert (check, what) == ("capabilities", "it has no CAP_SYS_RAWIO")
    if ROOT:  # whom "start it as root" would not help
        assert "CapabilityBoundingSet=" in advice
    else:
        assert advice.endswith("start qemu-pr-helper as root")


def test_a_helper_whose_capabilities_do_not_count(helper: Start, examine: Examine) -> None:
    before = (require("unshare", package="util-linux"), "--user", "--map-root-user")
    if subprocess.run([*before, "true"], capture_output=True).returncode:
        unavailable("this machine lets no program have a user namespace (unshare --user)")
    # There nobody may set supplementary groups, and who has CAP_SETGID tries.
    setpriv = require("setpriv", package="util-linux")
    helper(before=(*before, setpriv, "--inh-caps=-setgid", "--bounding-set=-setgid"))

    check, what, _ = the_only(examine(), status=2)

    assert check == "capabilities"
    assert what.startswith("its CAP_SYS_RAWIO does not count")


@pytest.mark.skipif(not ROOT, reason="a helper without privileges has another fault as well")
def test_a_socket_for_every_user(helper: Start, examine: Examine, path: str) -> None:
    helper()
    os.chmod(path, 0o777)

    check, what, advice = the_only(examine(), status=1)

    assert check == "permissions"
    assert what.startswith("every user may connect")
    assert advice.startswith(f"chmod o-w {path}")


@pytest.mark.skipif(not ROOT, reason="only root may look, and a stranger is needed")
def test_a_user_who_may_not_connect_is_told_so(
    helper: Start, path: str, capfd: pytest.CaptureFixture[str]
) -> None:
    helper()
    main(["doctor", "--socket", path])  # a stranger may not be able to read our programs any more
    capfd.readouterr()

    with not_root():
        status = main(["doctor", "--socket", path])

    told, complained = capfd.readouterr()
    # Of libvirt's configuration it has to say so, too, where that is for root only.
    lines = [one for one in told.splitlines() if not one.startswith("unknown pr_helper: /etc/")]
    unknown = f"unknown socket: {path}: cannot connect: Permission denied; run as root"
    assert (status, lines, complained) == (3, [unknown], "")


@pytest.mark.skipif(not ROOT, reason="QEMU runs as another user")
def test_a_guest_that_may_not_connect_again(
    helper: Start, guest: Start, examine: Examine, path: str, reserved_disk: tuple[str, ...]
) -> None:
    helper()
    os.chmod(path, 0o777)
    guest(*reserved_disk, *options_to_become("nobody"))
    os.chmod(path, 0o750)

    check, what, advice = the_only(examine(), status=2)

    assert check == "permissions"
    assert what.startswith("qemu-system-x86_64 alice, process ")
    assert f"runs as user 65534, which may not connect: {path} does not let it" in what
    assert "SocketMode=" in advice


def test_a_guest_whose_helper_is_gone(
    helper: Start, guest: Start, examine: Examine, path: str, reserved_disk: tuple[str, ...]
) -> None:
    process = helper()
    guest(*reserved_disk)
    process.terminate()
    process.wait()

    check, what, advice = the_only(examine(), status=2)

    assert check == "socket"
    assert what.startswith("No such file or directory, and this guest uses it: qemu-system-x86_64")
    assert f"start it: qemu-pr-helper -d -k {path}" in advice


@pytest.mark.skipif(not ROOT, reason="a helper without privileges has another fault as well")
def test_a_guest_that_does_not_use_its_manager(
    helper: Start, guest: Start, examine: Examine
) -> None:
    helper()
    guest()

    check, what, _ = the_only(examine(), status=2)

    assert check == "guest"
    assert what.startswith("unused-manager: ")


@pytest.mark.skipif(not ROOT, reason="QEMU's helper starts as root only")
def test_both_helpers_are_told_apart(helper: Start, path: str) -> None:
    helper(program=(require("/usr/bin/qemu-pr-helper", package="qemu-system-common"),))

    peer = Host(socket=path).sockets[0].helper

    assert peer is not None
    assert not peer.is_of_this_package


def test_a_helper_whose_socket_systemd_made(start: Start, path: str) -> None:
    with socket.socket(socket.AF_UNIX) as passed:
        passed.bind(path)
        passed.listen()
        pass_it_on = 'export LISTEN_FDS=1 LISTEN_PID=$$; exec "$@" 3<&0 0</dev/null'
        process = start("sh", "-c", pass_it_on, "sh", *OURS, stdin=passed)

        peer = Host(socket=path).sockets[0].peer

    assert peer is not None
    assert peer.pid == process.pid


def test_a_helper_that_simulates_no_disk(helper: Start, examine: Examine, disk: str) -> None:
    if not ROOT:
        pytest.skip("a helper without privileges has another fault as well")
    helper()

    check, what, _ = the_only(examine(disk), status=2)

    assert (check, what) == (
        "reservations",
        "it is a regular file, and the helper simulates no disks",
    )


def test_nothing_but_persistent_reserve_in_is_sent(
    helper: Start, examine: Examine, disk: str, folder: Path
) -> None:
    with (folder / "log").open("wb") as log:
        helper("-v", "-v", "--simulate", f"{disk}.db", stderr=log)

    examine(disk)

    log_text = (folder / "log").read_text()
    assert "CDB 5e" in log_text
    assert "CDB 5f" not in log_text
