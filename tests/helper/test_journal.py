"""Where systemd's journal listens on standard error, each line begins with its priority."""

from helper_process import PYTHON_HELPER, Client, cdb, run, started, terminated

# As systemd does it for a service: the variable names what standard error is.
_TOLD = 'export JOURNAL_STREAM=$(stat -Lc %d:%i /dev/stderr); exec "$@"'
IN_A_SERVICE = ("sh", "-c", _TOLD, "sh", *PYTHON_HELPER)
# The parent's service, while this process has another standard error.
OUTSIDE = ("env", "JOURNAL_STREAM=1:1", *PYTHON_HELPER)


def log_of(command: tuple[str, ...], path: str, disk: int) -> list[str]:
    with started(command, path, "-vv", "--audit", "-") as process:
        with Client(path) as client:
            client.command(cdb(0x5F, 24), disk, bytes(24))
            client.send(bytes(16), disk)
            assert client.is_closed()
        return terminated(process).splitlines()


def test_each_line_has_the_priority_of_its_event(path, regular):
    lines = log_of(IN_A_SERVICE, path, regular)

    def priority(text: str) -> set[str]:
        return {line[:3] for line in lines if text in line}

    assert priority("operation code 0x00 is not") == {"<4>"}
    assert priority(" REGISTER: ") == {"<5>"}
    assert priority(": connected") == {"<6>"}
    assert priority(": CDB ") == priority(": status ") == {"<7>"}
    assert all(line.startswith("<") for line in lines)


def test_why_it_does_not_start_is_an_error(path):
    assert run(IN_A_SERVICE, "-k", "relative").stderr.startswith("<3>qemu-pr-helper: ")


def test_elsewhere_lines_have_no_priority(path, regular):
    assert not any(line.startswith("<") for line in log_of(OUTSIDE, path, regular))
