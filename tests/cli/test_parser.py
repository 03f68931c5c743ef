"""What is mistyped on a command line is told with what was meant."""

import os
from pathlib import Path

import pytest

from qemu_pr.cli.qemu_pr import main


def refusal(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    with pytest.raises(SystemExit) as ended:
        main(words)
    assert ended.value.code == 1
    told = capsys.readouterr().err
    assert told.count("\n") == 1
    return told


@pytest.mark.parametrize(
    ("words", "meant"),
    [
        (["lnit"], "lint"),
        (["commandline", "/dev/sdb"], "command-line"),
        (["lint", "--jsn"], "--json"),
        (["persist", "--sokcet=/run/x.sock", "disk"], "--socket"),
        (["persist", "--read_kyes", "disk"], "--read-keys"),
        (["command-line", "--format", "libvrit", "/dev/sdb"], "libvirt"),
    ],
)
def test_the_nearest_is_named(
    capsys: pytest.CaptureFixture[str], words: list[str], meant: str
) -> None:
    assert f"; did you mean {meant}? (try 'qemu-pr" in refusal(capsys, *words)


@pytest.mark.parametrize("words", [["xyzzy"], ["lint", "--xyzzy"]])
def test_of_what_is_near_nothing_no_more_is_said(
    capsys: pytest.CaptureFixture[str], words: list[str]
) -> None:
    assert "did you mean" not in refusal(capsys, *words)


def test_a_path_that_the_shell_tore_apart_is_to_be_quoted(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a b").mkdir()
    monkeypatch.chdir(tmp_path / "a b")
    torn = f"{os.getcwd()}/pr.sock".split(" ")

    told = refusal(capsys, "persist", "--socket", *torn, "disk.img")

    assert 'has a blank in its path: write "$PWD", with the quotes' in told


def test_elsewhere_nothing_is_to_be_quoted(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)

    assert "$PWD" not in refusal(capsys, "persist", "one", "two", "three")
