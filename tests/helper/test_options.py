"""The command line: what is refused, in which words, and what is printed."""

import os
import re

import pytest

from helper_process import PYTHON_HELPER, Client, cdb, run, started, terminated
from qemu_pr import __version__

HINT = "qemu-pr-helper: Try `qemu-pr-helper --help' for more information.\n"


def test_a_relative_socket_path_is_refused(command):
    result = run(command, "-k", "relative.sock")

    assert result.returncode == 1
    assert result.stderr == "qemu-pr-helper: socket path must be absolute\n"


@pytest.mark.parametrize("name", ["nosuch", "", "a b", "-1", "4294967295", "1e3", "9" * 5000])
@pytest.mark.parametrize(("option", "kind"), [("-u", "user"), ("-g", "group")])
def test_an_unknown_user_or_group_is_refused(option, kind, name):
    result = run(PYTHON_HELPER, f"{option}{name}" if name else f"--{kind}=")

    assert result.returncode == 1
    assert result.stderr == f"qemu-pr-helper: invalid {kind} '{name}'\n"


@pytest.mark.parametrize(("option", "kind"), [("-u", "user"), ("-g", "group")])
def test_both_helpers_refuse_an_unknown_user_in_the_same_words(command, option, kind):
    result = run(command, option, "nosuch")

    assert result.returncode == 1
    assert result.stderr == f"qemu-pr-helper: invalid {kind} 'nosuch'\n"


@pytest.mark.parametrize("option", ["--bogus", "-x", "--bogus=3"])
def test_an_unknown_option_is_refused(option):
    result = run(PYTHON_HELPER, option)

    assert result.returncode == 1
    assert result.stderr == f"qemu-pr-helper: unrecognized option '{option}'\n{HINT}"


def test_a_mistyped_option_names_the_nearest():
    result = run(PYTHON_HELPER, "--sokcet=/run/pr.sock")

    assert result.returncode == 1
    assert result.stderr == (
        "qemu-pr-helper: unrecognized option '--sokcet=/run/pr.sock'; did you mean --socket?\n"
        + HINT
    )


def test_a_path_torn_at_a_blank_of_the_directory_is_told(folder, monkeypatch):
    (folder / "two words").mkdir()
    monkeypatch.chdir(folder / "two words")

    result = run(PYTHON_HELPER, "-k", f"{folder}/two", "words/pr.sock")

    assert result.returncode == 1
    assert result.stderr == (
        "qemu-pr-helper: unrecognized operand 'words/pr.sock'; this directory has a blank in its"
        f' path: write "$PWD", with the quotes\n{HINT}'
    )


def test_both_helpers_refuse_an_unknown_option_on_two_lines(command):
    result = run(command, "--bogus")

    assert result.returncode == 1
    error, hint = result.stderr.splitlines()
    assert error.endswith("qemu-pr-helper: unrecognized option '--bogus'")
    assert re.match(r"qemu-pr-helper: Try `\S+ --help' for more information\.", hint)


@pytest.mark.parametrize("arguments", [("stray",), ("--", "stray"), ("-v", "stray", "more")])
def test_a_stray_operand_is_refused(arguments):
    result = run(PYTHON_HELPER, *arguments)

    assert result.returncode == 1
    assert result.stderr == f"qemu-pr-helper: unrecognized operand 'stray'\n{HINT}"


@pytest.mark.parametrize("option", ["-k", "-f", "-T", "-u", "-g", "--simulate", "--initiator"])
def test_a_missing_argument_is_an_error(option):
    result = run(PYTHON_HELPER, option)

    assert result.returncode == 1
    assert f"{option}" in result.stderr.splitlines()[0]
    assert result.stderr.endswith(HINT)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["-k--"], "socket path must be absolute"),
        (["-u--"], "invalid user '--'"),
        (["--group=--"], "invalid group '--'"),
        (["-T--", "-Tx=y"], "Invalid parameter 'x'"),
        (["--max-connections=--"], "argument --max-connections: invalid number value: '--'"),
    ],
)
def test_two_dashes_in_an_option_are_its_value(arguments, message):
    """To argparse they end the options, before Python 3.13: it was an end with a traceback."""
    result = run(PYTHON_HELPER, *arguments)

    assert result.returncode == 1
    assert result.stderr.splitlines()[0] == f"qemu-pr-helper: {message}"


@pytest.mark.parametrize(
    ("option", "needed"),
    [
        (("--initiator", "naa.6001405000000001"), "--simulate"),
        (("--audit-format", "json"), "--audit"),
        (("--metrics-interval", "5"), "--metrics"),
    ],
)
def test_an_option_that_means_nothing_without_another_is_an_error(path, option, needed):
    result = run(PYTHON_HELPER, "-k", path, *option)

    assert result.returncode == 1
    assert result.stderr.startswith(f"qemu-pr-helper: option '{option[0]}' needs '{needed}'\n")


@pytest.mark.parametrize("option", ["-V", "--version"])
def test_the_version_is_one_line(option):
    result = run(PYTHON_HELPER, option)

    assert (result.returncode, result.stdout) == (0, f"qemu-pr-helper {__version__}\n")


def test_the_help_names_every_option_of_the_c_helper(command):
    result = run(command, "--help")

    assert result.returncode == 0
    for option in ("help", "version", "daemon", "pidfile", "socket", "trace", "user", "group"):
        assert f"--{option}" in result.stdout


def test_long_options_may_be_cut_short_as_with_getopt_long(command, path):
    with started(command, path, "--verb") as process:
        terminated(process)


def test_a_normal_day_is_silent(path, regular):
    with started(PYTHON_HELPER, path) as process:
        with Client(path) as client:
            client.command(cdb(0x5E), regular)

        assert terminated(process) == ""


def test_a_client_that_breaks_the_protocol_is_logged_with_its_process_id(path):
    with started(PYTHON_HELPER, path) as process:
        with Client(path) as client:
            client.send(cdb(0x5E))
            client.is_closed()

        assert terminated(process) == (
            f"qemu-pr-helper: client {os.getpid()}: connection closed:"
            " no file descriptor with the command\n"
        )


def test_quiet_logs_nothing(path):
    with started(PYTHON_HELPER, path, "-q") as process:
        with Client(path) as client:
            client.send(cdb(0x5E))
            client.is_closed()

        assert terminated(process) == ""


def test_verbose_logs_connections_and_twice_verbose_commands(path, regular):
    logs = []
    for option in ("-v", "-vv"):
        with started(PYTHON_HELPER, path, option) as process:
            with Client(path) as client:
                client.command(cdb(0x5E, 8), regular)
            logs.append(terminated(process))

    assert f"qemu-pr-helper: client {os.getpid()}: connected, user {os.geteuid()}\n" in logs[0]
    assert "CDB" not in logs[0]
    assert f"CDB {cdb(0x5E, 8).hex()}, 0 bytes of parameter list\n" in logs[1]
    assert "status 0x02, sense 70000b" in logs[1]
    assert all(line.startswith("qemu-pr-helper: ") for line in logs[1].splitlines())


def test_a_closed_stderr_does_no_harm(path, regular):
    arguments = ("sh", "-c", 'exec "$@" <&- >&- 2>&-', "sh", *PYTHON_HELPER)
    with started(arguments, path, "-vv") as process, Client(path) as client:
        assert client.command(cdb(0x5E), regular).status == 2

        terminated(process)


def test_trace_writes_the_chosen_events_to_a_file(path, folder, regular):
    trace = folder / "trace,file"
    option = f"pr_helper_re*,file={str(trace).replace(',', ',,')}"
    with started(PYTHON_HELPER, path, "-T", option, "-T", "enable=-pr_helper_refuse") as process:
        with Client(path) as client:
            client.command(cdb(0x5E), regular)
            client.send(cdb(0x5E))
            client.is_closed()
        terminated(process)

    names = [line.split()[0] for line in trace.read_text().splitlines()]
    assert names == ["pr_helper_request", "pr_helper_reply"]


def test_trace_reads_patterns_from_a_file_and_writes_to_stderr(path, folder, regular):
    events = folder / "events"
    events.write_text("# comment\n\npr_helper_*\n-pr_helper_reply\n-pr_helper_listen\n")
    with started(PYTHON_HELPER, path, "-q", "-T", f"events={events}") as process:
        with Client(path) as client:
            client.command(cdb(0x5E), regular)
        log = terminated(process)

    assert "\npr_helper_request client" in log
    assert "pr_helper_reply" not in log


def test_trace_lists_its_events():
    result = run(PYTHON_HELPER, "-T", "help")

    assert result.returncode == 0
    assert "pr_helper_request" in result.stdout.splitlines()


def test_both_helpers_warn_of_a_trace_event_that_does_not_exist(command, path):
    with started(command, path, "-T", "bogus_event") as process:
        log = terminated(process)

    assert log == "qemu-pr-helper: warning: trace event 'bogus_event' does not exist\n"


def test_both_helpers_refuse_an_unknown_trace_parameter(command):
    result = run(command, "-T", "bogus=1")

    assert result.returncode == 1
    assert result.stderr == "qemu-pr-helper: Invalid parameter 'bogus'\n"


@pytest.mark.parametrize("option", ["events=/nosuch/file", "file=/nosuch/file"])
def test_a_trace_file_that_cannot_be_opened_is_an_error(option):
    result = run(PYTHON_HELPER, "-T", option)

    assert result.returncode == 1
    assert re.fullmatch(r"qemu-pr-helper: .*/nosuch/file'?: No such file .*\n", result.stderr)
