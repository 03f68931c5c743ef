"""Who comes without knowing anything is told what there is, and who mistypes what is near."""

import argparse
import re
import shlex
from pathlib import Path

import pytest

from qemu_pr.cli.overview import TASKS
from qemu_pr.cli.qemu_pr import build_parser, main

EXAMPLE = re.compile(r"(?:\A|\n) +(?:eval \"\$\()?(qemu-pr .*?)(?:\)\")?(?=\n|\Z)")


def subcommands() -> dict[str, argparse.ArgumentParser]:
    (action,) = (
        one for one in build_parser()._actions if isinstance(one, argparse._SubParsersAction)
    )
    return dict(action.choices)


def test_without_a_command_each_has_its_task(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 0

    told = capsys.readouterr().out
    assert [name for name in subcommands() if f"qemu-pr {name}" not in told] == []


@pytest.mark.parametrize("command", [command for _, command in TASKS])
def test_what_the_overview_shows_can_be_typed(command: str) -> None:
    build_parser().parse_args(shlex.split(command)[1:])


@pytest.mark.parametrize("name", subcommands())
def test_the_help_of_each_command_has_an_example_that_can_be_typed(name: str) -> None:
    _, _, examples = str(subcommands()[name].epilog).partition("Example")
    lines = [line for line in EXAMPLE.findall(examples) if line.startswith(f"qemu-pr {name} ")]

    assert lines
    for line in lines:
        build_parser().parse_args(shlex.split(line)[1:])


@pytest.mark.parametrize("words", [["status"], ["persist", "-n", "--in", "--read-keys"]])
def test_a_disk_that_is_not_there_is_told_with_one_that_is_near(
    words: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "wwn-0x6001405000000001").touch()
    typed = tmp_path / "wwn-0x600140500000001"

    main([*words, str(typed)])

    assert f"; did you mean {tmp_path}/wwn-0x6001405000000001?" in capsys.readouterr().err


@pytest.mark.parametrize("words", [["status"], ["persist", "-n", "--in", "--read-keys"]])
def test_a_socket_that_is_not_there_is_told_with_one_that_is_near(
    words: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "qemu-pr-helper.sock").touch()
    (tmp_path / "disk.img").touch()

    main([*words, "--socket", f"{tmp_path}/qemu-pr-helper.socket", str(tmp_path / "disk.img")])

    assert f"; did you mean {tmp_path}/qemu-pr-helper.sock?" in capsys.readouterr().err


def test_of_a_disk_that_is_near_none_no_more_is_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    main(["status", str(tmp_path / "nosuch")])

    assert "did you mean" not in capsys.readouterr().err
