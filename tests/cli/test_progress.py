"""What people see who wait, and programs do not."""

import io
import time

import pytest

from qemu_pr.cli.progress import progress


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def wait_for(terminal: Terminal, text: str) -> None:
    deadline = time.monotonic() + 20
    while text not in terminal.getvalue():
        assert time.monotonic() < deadline, terminal.getvalue()
        time.sleep(0.002)


def people_watch(monkeypatch: pytest.MonkeyPatch, patience: float = 0.01) -> Terminal:
    """Put a terminal in the place of stderr; pytest would take it back from a fixture."""
    terminal = Terminal()
    monkeypatch.setattr("sys.stderr", terminal)
    monkeypatch.setattr("qemu_pr.cli.progress.PATIENCE", patience)
    return terminal


def test_it_tells_what_takes_long_and_takes_it_away(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = people_watch(monkeypatch)

    with progress("asking /dev/sdb"):
        wait_for(terminal, "\r\033[Kasking /dev/sdb: 0 s")

    assert terminal.getvalue().endswith("\r\033[K")


def test_it_makes_room_for_other_output(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = people_watch(monkeypatch)

    with progress("one") as show:
        wait_for(terminal, "one: 0 s")
        show("")
        cleared = terminal.getvalue()
        show("two")
        wait_for(terminal, "two: 0 s")

    assert cleared.endswith("\r\033[K")


def test_what_is_quick_is_not_told(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = people_watch(monkeypatch, patience=1000)

    with progress("quick"):
        pass

    assert terminal.getvalue() == ""


def test_programs_get_none_of_it(capsys: pytest.CaptureFixture[str]) -> None:
    with progress("asking") as show:
        show("more")

    assert capsys.readouterr() == ("", "")
