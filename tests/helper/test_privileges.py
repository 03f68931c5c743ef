"""What a running helper may still do, as the kernel tells it: the same as QEMU's."""

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from helper_process import (
    C_HELPER,
    CHECK_CONDITION,
    PATIENCE,
    PYTHON_HELPER,
    Client,
    cdb,
    child_of,
    descriptors_of,
    run,
    server_of,
    started,
    status_of,
    terminated,
    wait_for,
)
from requirements import require

NOBODY = 65534
CAP_SYS_RAWIO = f"{1 << 17:016x}"
CAP_SYS_RAWIO_AND_ADMIN = f"{1 << 17 | 1 << 21:016x}"
NONE = f"{0:016x}"
CAPABILITIES = ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")


def privileges(pid: int) -> dict[str, str]:
    status = status_of(pid)
    return {name: status[name] for name in ("Uid", "Gid", "Groups", *CAPABILITIES)}


def ordinary_user(*command: str) -> tuple[str, ...]:
    """A command as it runs for a user without any privilege."""
    if os.geteuid() != 0:
        return command
    setpriv = require("setpriv", package="util-linux")
    command = (setpriv, f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups", *command)
    if run(command, "-V").returncode != 0:
        pytest.skip(f"{sys.executable} is out of reach for ordinary users")
    return command


def process_for_maps(helper: int) -> int:
    """The helper's first child, when it has given up what it had: its descriptors are the last."""
    process = child_of(helper, "qemu-pr-maps")
    wait_for(lambda: len(descriptors_of(process)) <= 4, "it closes what it inherited")
    return process


@as_root
@pytest.mark.parametrize(
    "options",
    [(), ("-u", "nobody"), ("-g", "nogroup"), ("-u", "nobody", "-g", "nogroup"), ("-u", "12345")],
    ids=" ".join,
)
def test_privileges_equal_those_of_the_c_helper(path, options):
    require(C_HELPER[0], package="qemu-system-common")
    found = []
    for command in (PYTHON_HELPER, C_HELPER):
        with started(command, path, *options, extra_groups=[4, 24]) as process:
            wait_for(lambda: status_of(process.pid)["CapBnd"] == NONE, "it drops")
            found.append(privileges(process.pid))
        Path(path).unlink()

    assert found[0] == found[1]
    assert found[0]["CapEff"] == found[0]["CapPrm"] == CAP_SYS_RAWIO
    assert found[0]["Groups"] == ""


@as_root
def test_every_thread_has_the_same_privileges(path):
    with started(PYTHON_HELPER, path, "-u", "nobody") as process, Client(path), Client(path):
        server = server_of(process.pid)
        threads = os.listdir(f"/proc/{server}/task")
        assert len(threads) >= 3
        assert {
            status_of(f"{server}/task/{thread}")["CapEff"]  # type: ignore[arg-type]
            for thread in threads
        } == {CAP_SYS_RAWIO}


@as_root
def test_numbers_that_name_nobody_are_taken_as_ids(path):
    with started(PYTHON_HELPER, path, "-u", "54321", "-g", "12345") as process:
        found = privileges(process.pid)

    assert found["Uid"].split() == ["54321"] * 4
    assert found["Gid"].split() == ["12345"] * 4
    assert found["CapEff"] == CAP_SYS_RAWIO


@as_root
@pytest.mark.parametrize("options", [(), ("-u", "nobody", "-g", "nogroup")], ids=" ".join)
def test_no_new_privileges_can_be_gained(path, options):
    with started(PYTHON_HELPER, path, *options) as process:
        assert status_of(process.pid)["NoNewPrivs"] == "1"


@as_root
def test_the_process_for_multipath_maps_keeps_two_capabilities_and_no_more(path):
    with started(PYTHON_HELPER, path) as process:
        child = process_for_maps(process.pid)
        found = privileges(child)

        assert status_of(child)["NoNewPrivs"] == "1"
    assert found["CapEff"] == found["CapPrm"] == CAP_SYS_RAWIO_AND_ADMIN
    assert found["CapBnd"] == found["CapInh"] == found["CapAmb"] == NONE
    assert found["Groups"] == ""


@as_root
@pytest.mark.parametrize("options", [(), ("-u", "nobody")], ids=" ".join)
def test_the_process_that_serves_has_the_same_privileges(path, options):
    with started(PYTHON_HELPER, path, *options) as process:
        child = server_of(process.pid)

        assert privileges(child) == privileges(process.pid)
        assert status_of(child)["NoNewPrivs"] == "1"


@as_root
@pytest.mark.parametrize("options", [(), ("-u", "nobody")], ids=" ".join)
def test_the_process_that_records_keeps_no_capability(path, folder, options):
    (folder / "own").mkdir()
    if options:
        os.chown(folder / "own", NOBODY, NOBODY)
    files = ("--audit", f"{folder}/audit", "--metrics", f"{folder}/own/metrics")
    with started(PYTHON_HELPER, path, *files, *options) as process:
        child = child_of(process.pid, "qemu-pr-record")

        assert {privileges(child)[name] for name in CAPABILITIES} == {NONE}
        assert status_of(child)["NoNewPrivs"] == "1"
        assert privileges(child)["Uid"] == privileges(process.pid)["Uid"]


@as_root
@pytest.mark.parametrize("options", [(), ("-u", "nobody")], ids=" ".join)
def test_its_memory_and_descriptors_are_for_root_alone(path, options):
    setpriv = require("setpriv", package="util-linux")
    # With that capability root sees everything; else it sees what is dumpable.
    without = (setpriv, "--bounding-set=-sys_ptrace", "--inh-caps=-sys_ptrace")
    with started(PYTHON_HELPER, path, *options) as process:
        for pid in (process.pid, process_for_maps(process.pid), server_of(process.pid)):
            assert run((*without, "readlink", f"/proc/{pid}/exe")).returncode == 1
            assert os.stat(f"/proc/{pid}/environ").st_uid == 0


def test_without_privileges_it_can_be_debugged_by_its_user(path, folder):
    folder.chmod(0o777)
    with started(ordinary_user(*PYTHON_HELPER), path) as process:
        assert os.stat(f"/proc/{process.pid}/environ").st_uid != 0


@as_root
def test_what_keeps_it_from_dropping_privileges_is_named(path):
    setpriv = require("setpriv", package="util-linux")

    result = run((setpriv, "--securebits=+keep_caps_locked", *PYTHON_HELPER), "-k", path)

    assert result.returncode == 1
    assert result.stderr == (
        "qemu-pr-helper: Failed to drop privileges: PR_SET_KEEPCAPS: Operation not permitted;"
        " look for what confines this process: a user namespace, securebits, a system call filter\n"
    )
    assert not Path(path).exists()


@as_root
def test_as_nobody_it_still_serves_and_stops(path, regular):
    with started(PYTHON_HELPER, path, "-u", "nobody") as process:
        with Client(path) as client:
            assert client.command(cdb(0x5E), regular).status == CHECK_CONDITION

        process.terminate()
        assert process.wait(PATIENCE) == 0


@as_root
def test_files_that_nobody_cannot_remove_are_made_harmless(path, folder):
    pid_file = folder / "helper.pid"
    with started(PYTHON_HELPER, path, "-u", "nobody", "-f", str(pid_file)) as process:
        log = terminated(process)

    assert log == (
        f"qemu-pr-helper: cannot remove {path}: Permission denied; the next helper replaces it\n"
        f"qemu-pr-helper: cannot remove {pid_file}: Permission denied;"
        " the next helper replaces it\n"
    )
    assert pid_file.read_text() == ""
    with started(PYTHON_HELPER, path, "-f", str(pid_file)) as process:
        terminated(process)
    assert os.listdir(folder) == []


@as_root
def test_a_simulated_state_belongs_to_the_user_that_serves(path, folder, regular):
    (folder / "state").mkdir()
    os.chown(folder / "state", NOBODY, NOBODY)
    state = folder / "state" / "state.db"
    options = ("-u", "nobody", "-g", "nogroup", "--simulate", str(state))
    with started(PYTHON_HELPER, path, *options), Client(path) as client:
        reply = client.command(cdb(0x5E, 8), regular)

    assert (reply.status, reply.data) == (0, bytes(8))
    assert stat.S_ISREG(state.stat().st_mode)
    assert state.stat().st_uid == NOBODY


@as_root
def test_a_state_that_the_user_cannot_write_is_an_error_at_the_start(path, folder):
    state = folder / "state.db"

    result = run(PYTHON_HELPER, "-k", path, "-u", "nobody", "--simulate", str(state))

    assert result.returncode == 1
    assert result.stderr.splitlines()[-1] == f"qemu-pr-helper: {state}: Permission denied"
    assert not state.exists()


def test_an_ordinary_user_runs_it_without_privileges(folder, regular):
    folder.chmod(0o777)
    path = str(folder / "helper.sock")
    with started(ordinary_user(*PYTHON_HELPER), path) as process, Client(path) as client:
        found = privileges(process.pid)

        assert client.command(cdb(0x5E), regular).status == CHECK_CONDITION
        assert found["CapPrm"] == found["CapEff"] == found["CapInh"] == NONE
        assert "no CAP_SYS_RAWIO" in terminated(process)
    assert not Path(path).exists()


def test_an_ordinary_user_simulates_disks(folder, regular):
    folder.chmod(0o777)
    path = str(folder / "helper.sock")
    options = ("--simulate", str(folder / "state.db"))
    with started(ordinary_user(*PYTHON_HELPER), path, *options), Client(path) as client:
        assert client.command(cdb(0x5E, 8), regular).data == bytes(8)


@pytest.mark.parametrize("option", ["-u", "-g"])
def test_an_ordinary_user_cannot_become_another(folder, option):
    folder.chmod(0o777)

    result = run(ordinary_user(*PYTHON_HELPER), "-k", str(folder / "helper.sock"), option, "0")

    assert result.returncode == 1
    assert result.stderr.startswith("qemu-pr-helper: cannot become user ")
    assert result.stderr.endswith("start it as root, or without -u and -g\n")
    assert os.listdir(folder) == []


def test_an_ordinary_user_may_name_himself(folder):
    folder.chmod(0o777)
    path = str(folder / "helper.sock")
    user = str(NOBODY if os.geteuid() == 0 else os.geteuid())
    with started(ordinary_user(*PYTHON_HELPER), path, "-u", user) as process:
        assert status_of(process.pid)["Uid"].split() == [user] * 4


@as_root
def test_a_service_user_with_the_one_capability_keeps_it(folder):
    setpriv = require("setpriv", package="util-linux")
    folder.chmod(0o777)
    command = (
        setpriv,
        f"--reuid={NOBODY}",
        f"--regid={NOBODY}",
        "--clear-groups",
        "--inh-caps=-all,+sys_rawio",
        "--ambient-caps=-all,+sys_rawio",
        *PYTHON_HELPER,
    )
    if subprocess.run([*command, "-V"], capture_output=True, check=False).returncode != 0:
        pytest.skip(f"{sys.executable} is out of reach for ordinary users")

    with started(command, str(folder / "helper.sock")) as process:
        found = privileges(process.pid)

    assert found["CapPrm"] == found["CapEff"] == CAP_SYS_RAWIO
    assert found["CapInh"] == found["CapAmb"] == NONE
