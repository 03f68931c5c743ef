"""Who may connect: the users that --allow-user names, and of those only who reaches the socket."""

import os
import socket
import subprocess
import sys
from contextlib import AbstractContextManager

import pytest

from helper_process import (
    CHECK_CONDITION,
    PYTHON_HELPER,
    Client,
    cdb,
    descriptors_of,
    listens,
    run,
    started,
    terminated,
    wait_for,
)
from requirements import require

ME = os.geteuid()
NOBODY = 65534
STRANGER = 54321

as_root = pytest.mark.skipif(ME != 0, reason="needs root")


def greeting_for(path: str) -> bytes:
    """What the helper says to a client that says nothing."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(20)
        connection.connect(path)
        return connection.recv(4)


def allowing(path: str, *users: object) -> AbstractContextManager[subprocess.Popen[str]]:
    """A helper for these users, and for the test, which waits until it is served."""
    options = [word for user in (ME, *users) for word in ("--allow-user", str(user))]
    return started(PYTHON_HELPER, path, *options)


def test_a_user_who_is_named_is_served(path, regular):
    with allowing(path, STRANGER), Client(path) as client:
        assert client.command(cdb(0x5E), regular).status == CHECK_CONDITION


@as_root
@pytest.mark.parametrize("named", ["nobody", NOBODY])
def test_a_user_who_is_not_named_is_refused_and_the_log_says_how_to_let_him_in(path, folder, named):
    setpriv = require("setpriv", package="util-linux")
    say = f"import socket as s; c = s.socket(1); c.connect({path!r}); print(c.recv(4))"
    folder.chmod(0o777)
    results = []
    with allowing(path, named) as process:
        os.chmod(path, 0o777)
        for user in (NOBODY, STRANGER):
            become = (setpriv, f"--reuid={user}", "--clear-groups")
            results.append(run((*become, sys.executable, "-c", say), cwd="/"))
        log = terminated(process)

    if any(result.returncode for result in results):
        pytest.skip(f"{sys.executable} is out of reach for ordinary users")
    assert [result.stdout for result in results] == [f"{bytes(4)}\n", f"{b''}\n"]
    lines = log.splitlines()
    assert len(lines) == 1
    assert lines[0].startswith("qemu-pr-helper: client ")
    assert lines[0].endswith(
        f": refused: user {STRANGER} may not connect; to let it, add --allow-user {STRANGER}"
    )


def test_without_the_option_everybody_who_reaches_the_socket_may_connect(path):
    with started(PYTHON_HELPER, path):
        assert greeting_for(path) == bytes(4)


def test_who_connects_is_logged(path):
    with started(PYTHON_HELPER, path, "-v") as process:
        greeting_for(path)
        log = terminated(process)

    assert f"qemu-pr-helper: client {os.getpid()}: connected, user {ME}\n" in log


@pytest.mark.parametrize("name", ["nosuch", "", "-1"])
def test_a_user_who_does_not_exist_is_an_error_at_the_start(path, name):
    result = run(PYTHON_HELPER, "-k", path, f"--allow-user={name}")

    assert result.returncode == 1
    assert result.stderr == f"qemu-pr-helper: invalid user '{name}'\n"
    assert not os.path.exists(path)


def test_a_number_that_names_nobody_is_a_user_id(path):
    with allowing(path, STRANGER):
        assert greeting_for(path) == bytes(4)


@as_root
def test_root_too_has_to_be_named_and_who_is_refused_leaves_nothing_behind(path):
    command = (*PYTHON_HELPER, "-k", path, "--allow-user", str(STRANGER))
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        wait_for(lambda: listens(path), "it listens")
        assert greeting_for(path) == b""
        before = descriptors_of(process.pid)
        assert [greeting_for(path) for _ in range(50)] == [b""] * 50

        wait_for(lambda: descriptors_of(process.pid) == before, "it closes them")
        assert terminated(process).count("user 0 may not connect") == 51
