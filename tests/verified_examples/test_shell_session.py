import contextlib
import os
import select
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from qemu_pr.verified_examples import reaper
from qemu_pr.verified_examples.session import Completed, Session, environment

# Starts a daemon, in a session of its own, and waits until its process ID is known.
DAEMON = """\
(setsid sh -c '{prepare} echo $$ > pid; exec sleep 1000' &)
until [ -s pid ]; do :; done"""


@pytest.fixture
def session(tmp_path):
    with contextlib.closing(Session(tmp_path, environment(tmp_path))) as session:
        yield session


def run(session, command, **options):
    return session.run(command, timeout=20, **options)


@pytest.mark.parametrize(
    ("command", "completed"),
    [
        ("true", Completed(0, "")),
        ("exec 3>&1; (exit 24)", Completed(24, "")),
        ("echo hello", Completed(0, "hello\n")),
        ("printf 'no newline'", Completed(0, "no newline")),
        ("echo 1; echo 2 >&2; echo 3; sh -c 'echo 4 >&2'; echo 5", Completed(0, "1\n2\n3\n4\n5\n")),
        ("cat <<'EOF'\none\n$two\nEOF", Completed(0, "one\n$two\n")),
        ("for i in 1 2\ndo\necho $i\ndone", Completed(0, "1\n2\n")),
        ("echo a \\\n    b", Completed(0, "a b\n")),
        ("cat", Completed(0, "")),
        ("printf '\\377'", Completed(0, "\\xff")),
        ("# nothing", Completed(0, "")),
        ("", Completed(0, "")),
    ],
)
def test_a_command_gives_its_status_and_all_its_output(session, command, completed):
    assert run(session, command) == completed


def test_an_unknown_command_reads_as_on_a_terminal(session):
    done = run(session, "no-such-command")

    assert done.status == 127
    assert done.output.startswith("sh: ")
    assert "/session-" not in done.output


def test_commands_share_variables_functions_directory_and_status(session, tmp_path):
    run(session, "greet() { echo hello $1; }; name=you; mkdir sub; cd sub; set -- x y")

    assert run(session, 'greet "$name"; pwd; echo $2').output == f"hello you\n{tmp_path}/sub\ny\n"
    assert run(session, "false").status == 1
    assert run(session, "echo $?").output == "1\n"


def test_a_command_reads_the_text_it_is_given(session):
    assert run(session, "tr a-z A-Z", stdin="text\n").output == "TEXT\n"


def test_a_background_job_neither_holds_up_its_command_nor_prints_into_another(session):
    started = run(session, "mkfifo go done; { read x <go; echo late; echo >done; } & echo started")
    later = run(session, "echo >go; read x <done; echo later")

    assert started == Completed(0, "started\n")
    assert later == Completed(0, "later\n")


def test_sessions_in_one_directory_are_two_shells(session, tmp_path):
    with contextlib.closing(Session(tmp_path, environment(tmp_path))) as other:
        run(session, "name=first; echo shared > file")

        assert run(other, 'echo "[$name]"; cat file').output == "[]\nshared\n"


def test_the_environment_is_the_same_everywhere(session, tmp_path, monkeypatch):
    monkeypatch.setenv("LISTEN_FDS", "1")

    with contextlib.closing(Session(tmp_path, environment(tmp_path))) as other:
        assert run(other, "echo $LISTEN_FDS$HOME; command -v python").output == (
            f"{tmp_path}\n{Path(sys.executable).parent}/python\n"
        )


def test_a_command_that_takes_too_long_ends_the_session(session):
    done = session.run("echo before; sleep 1000", timeout=0.5)

    assert done.status is None
    assert done.output == "before\n"
    assert str(done) == "no answer from `echo before; sleep 1000` after 0.5 s\nbefore"


@pytest.mark.parametrize("command", ["exit 3", "echo 'unterminated", "kill -9 $$"])
def test_a_shell_that_ends_is_told_from_a_command_that_fails(session, command):
    done = run(session, command)
    next_one = run(session, "true")

    assert done.status is None
    assert done.ended == f"`{command}` ended the shell"
    assert next_one.ended == f"not run, since the shell has ended: {done.ended}"


@pytest.mark.parametrize("prepare", ["", 'trap "" TERM;'], ids=["polite", "stubborn"])
def test_no_daemon_outlives_its_session(tmp_path, prepare):
    with contextlib.closing(Session(tmp_path, environment(tmp_path))) as session:
        assert run(session, DAEMON.format(prepare=prepare)).status == 0
        daemon = int((tmp_path / "pid").read_text())
        os.kill(daemon, 0)  # it is there

    with pytest.raises(ProcessLookupError):
        os.kill(daemon, 0)


def test_no_daemon_outlives_a_reaper_that_is_told_to_end_again_and_again(tmp_path):
    command = [sys.executable, "-I", "-S", reaper.__file__, "sh", "-c", DAEMON.format(prepare="")]
    for _ in range(20):
        with subprocess.Popen(
            [*command[:-1], f"{command[-1]}; echo ready; read x"],
            cwd=tmp_path,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        ) as process:
            assert process.stdout.readline() == b"ready\n"
            daemon = int((tmp_path / "pid").read_text())
            while process.poll() is None:
                process.terminate()

        with pytest.raises(ProcessLookupError):
            os.kill(daemon, 0)
        (tmp_path / "pid").unlink()


def test_no_daemon_outlives_a_builder_that_is_killed(tmp_path):
    program = textwrap.dedent(
        f"""
        from pathlib import Path
        from qemu_pr.verified_examples.session import Session, environment

        here = Path({str(tmp_path)!r})
        session = Session(here, environment(here))
        session.run({DAEMON.format(prepare="")!r}, timeout=20)
        print("ready", flush=True)
        input()
        """
    )
    with subprocess.Popen(
        [sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as builder:
        assert builder.stdout.readline() == b"ready\n"
        daemon = os.pidfd_open(int((tmp_path / "pid").read_text()))
        builder.send_signal(signal.SIGKILL)

    ended, _, _ = select.select([daemon], [], [], 20)

    os.close(daemon)
    assert ended
