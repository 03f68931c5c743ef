"""The subcommand: what it prints, where, and its exit status."""

import io
import json
import os
from pathlib import Path

import pytest

from qemu_pr.cli.qemu_pr import main
from qemu_pr.command_line.formats import argv_json, shell_text
from qemu_pr.command_line.model import ReservedDisks

SDB = ReservedDisks(("/dev/sdb",))
RIGHT = shell_text(SDB)
WRONG = RIGHT.replace("scsi-block", "scsi-hd")


@pytest.fixture
def stdin(monkeypatch: pytest.MonkeyPatch) -> io.BytesIO:
    given = io.BytesIO()
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(given))
    return given


def write(folder: Path, name: str, text: str) -> str:
    file = folder / name
    file.write_bytes(os.fsencode(text))
    return str(file)


def test_all_is_well(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = write(tmp_path, "run.sh", RIGHT)

    status = main(["lint", file])

    said = f"{file}: 1 command line with a reservation manager, 0 faults\n"
    assert (status, *capsys.readouterr()) == (0, said, "")


def test_a_fault_is_told_with_its_line_and_corrected(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = write(tmp_path, "run.sh", f"#!/bin/sh\n{WRONG}\n")

    status = main(["lint", file])

    out, err = capsys.readouterr()
    first, _, head, _, *rest = out.splitlines()
    assert (status, err) == (1, "")
    assert first.startswith(f"{file}:6: emulated-disk: -device scsi-hd,drive=hd: QEMU emulates")
    assert first.endswith("; use scsi-block")
    assert head == f"{file}:2: corrected:"
    assert "\n".join(rest[:5]) == RIGHT


def test_standard_input_is_read(stdin: io.BytesIO, capsys: pytest.CaptureFixture[str]) -> None:
    stdin.write(WRONG.encode())
    stdin.seek(0)

    status = main(["lint"])

    assert status == 1
    assert capsys.readouterr().out.startswith("standard input:5: emulated-disk: ")


def test_the_arguments_of_a_process_are_read(
    tmp_path: Path, capsysbinary: pytest.CaptureFixture[bytes]
) -> None:
    vector = json.loads(argv_json(ReservedDisks((os.fsdecode(b"/dev/\xff x"),))))
    wrong = [word.replace("scsi-block", "scsi-hd") for word in vector]
    file = write(tmp_path, "cmdline", "\0".join(wrong) + "\0")

    status = main(["lint", file])

    out = os.fsdecode(capsysbinary.readouterr().out)
    assert status == 1
    assert "emulated-disk" in out
    assert f"'{vector[6]}'" in out


def test_json_has_all_of_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    right, wrong = write(tmp_path, "right", RIGHT), write(tmp_path, "wrong", WRONG)

    status = main(["lint", "--json", right, wrong])

    good, bad = json.loads(capsys.readouterr().out)
    (fault,) = bad.pop("faults")
    assert status == 1
    none = {"hints": [], "left": []}
    assert good == {"file": right, "line": 1, "faults": [], "corrected": None, **none}
    assert bad == {"file": wrong, "line": 1, "corrected": RIGHT, **none}
    assert fault.keys() == {"name", "line", "what", "why", "remedy"}
    assert (fault["name"], fault["line"]) == ("emulated-disk", 5)


@pytest.mark.parametrize("flags", [[], ["--json"]])
def test_what_cannot_be_read_does_not_hide_the_rest(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], flags: list[str]
) -> None:
    broken = write(tmp_path, "domain.xml", "<domain>\n<disk")
    wrong = write(tmp_path, "wrong", WRONG)
    missing = str(tmp_path / "missing")

    status = main(["lint", *flags, missing, str(tmp_path), broken, wrong])

    out, err = capsys.readouterr()
    assert status == 2
    assert "emulated-disk" in out
    assert err.splitlines() == [
        f"qemu-pr: lint: {missing}: No such file or directory",
        f"qemu-pr: lint: {tmp_path}: Is a directory",
        f"qemu-pr: lint: {broken}: line 2: no XML: not well-formed (invalid token)",
    ]


@pytest.mark.parametrize("text", ["", "\0", "[]", "[1]", "\n\n", "\xff", "args: -", "qemu-kvm \\"])
def test_nothing_is_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str) -> None:
    status = main(["lint", write(tmp_path, "empty", text)])

    assert status == 0
    assert "0 command lines" in capsys.readouterr().out


@pytest.mark.parametrize("flags", [[], ["--json"]])
def test_a_hint_is_told_and_leaves_the_status(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], flags: list[str]
) -> None:
    status = main(["lint", *flags, write(tmp_path, "go", 'x("pr-manager-helper,id=" + id)')])

    out = capsys.readouterr().out
    assert status == 0
    if flags:
        (report,) = json.loads(out)
        assert [one["name"] for one in report["hints"]] == ["not-read"]
    else:
        assert ":1: hint: not-read: " in out
        assert out.endswith("0 command lines with a reservation manager, 0 faults, 1 hint\n")


def test_what_is_left_to_you_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = WRONG.replace(",path=/var/run", ",path=/" + "x" * 100)

    main(["lint", write(tmp_path, "long", text)])

    assert "corrected (but for socket-path):" in capsys.readouterr().out
