"""The systemd units: systemd takes them, and finds little that the service may do."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from qemu_pr.cli.qemu_pr import main
from qemu_pr.systemd_units import Units, hidden_by_units, render
from requirements import require

EXPOSURE = re.compile(r"Overall exposure level for \S+: (\d+\.\d)")


@pytest.fixture
def analyze() -> str:
    return require("systemd-analyze", package="systemd")


def written(folder: Path, *options: str) -> list[str]:
    assert main(["units", "--helper", sys.executable, "--output", str(folder), *options]) == 0
    return sorted(map(str, folder.iterdir()))


EVERYTHING = (
    *("--group", "root", "--audit", "/var/log/a b%/audit.log"),
    *("--metrics", "/var/lib/$x/pr.prom", "--allow-user", "root", "--allow-user", "64055"),
)


@pytest.mark.parametrize("options", [("--group", "root"), ("--audit", "journal"), EVERYTHING])
def test_systemd_has_nothing_to_say_of_the_units(
    analyze: str, tmp_path: Path, options: tuple[str, ...]
) -> None:
    units = written(tmp_path, *options)

    done = subprocess.run([analyze, "verify", *units], capture_output=True, text=True)

    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize(("private_network", "most"), [("yes", 1.5), ("no", 1.9)])
def test_the_service_is_exposed_little(
    analyze: str, tmp_path: Path, private_network: str, most: float
) -> None:
    service, _ = written(tmp_path, "--private-network", private_network)

    done = subprocess.run(
        [analyze, "security", "--offline=yes", "--no-pager", service],
        capture_output=True,
        text=True,
    )

    found = EXPOSURE.search(done.stdout)
    assert found, done.stderr
    assert float(found[1]) <= most


def test_one_service_has_all_that_was_asked_for(tmp_path: Path) -> None:
    service, _ = written(tmp_path, *EVERYTHING)

    lines = Path(service).read_text().splitlines()
    assert (
        f'ExecStart={sys.executable} --audit "/var/log/a b%%/audit.log"'
        ' --metrics "/var/lib/$$x/pr.prom" --allow-user root --allow-user 64055'
    ) in lines
    assert 'ReadWritePaths="/var/log/a b%%" "/var/lib/$x"' in lines
    assert "ProtectProc=default" in lines


def test_an_audit_log_in_the_journal_needs_no_directory(tmp_path: Path) -> None:
    service, _ = written(tmp_path, "--audit", "journal")

    text = Path(service).read_text()
    assert f"ExecStart={sys.executable} --audit -\n" in text
    assert "ReadWritePaths" not in text


def test_two_files_in_one_directory_name_it_once(tmp_path: Path) -> None:
    service, _ = written(tmp_path, "--audit", "/run/audit.log", "--metrics", "/run/pr.prom")

    assert "ReadWritePaths=/run\n" in Path(service).read_text()


def test_a_directory_that_the_service_needs_and_lacks_is_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    written(tmp_path, "--audit", "/nosuch/audit.log")

    assert (
        "qemu-pr: units: warning: /nosuch: there is no such directory;"
        " make it, or nothing will start\n"
    ) in capsys.readouterr().err


@pytest.mark.parametrize(
    "places",  # the first is this package's, the others may be QEMU's
    [
        ["libexec/qemu-pr/qemu-pr-helper", "sbin/qemu-pr-helper", "bin/qemu-pr-helper"],
        ["sbin/qemu-pr-helper", "bin/qemu-pr-helper"],
        ["bin/qemu-pr-helper"],
    ],
)
def test_the_helper_is_this_package_s_and_not_qemu_s(
    places: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    for place in places:
        (tmp_path / place).parent.mkdir(parents=True)
        (tmp_path / place).symlink_to("/bin/true")
    monkeypatch.setattr(sys, "argv", [str(tmp_path / "bin/qemu-pr")])

    assert main(["units"]) == 0

    assert f"ExecStart={tmp_path / places[0]}\n" in capsys.readouterr().out


def test_what_is_printed_is_what_is_written(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    service, socket = written(tmp_path)
    capsys.readouterr()

    main(["units", "--helper", sys.executable])

    printed = capsys.readouterr().out
    assert Path(service).read_text() in printed
    assert Path(socket).read_text() in printed


def test_json_has_both_units(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main(["units", "--helper", sys.executable, "--json"])

    units = json.loads(capsys.readouterr().out)

    assert sorted(units) == ["qemu-pr-helper.service", "qemu-pr-helper.socket"]


def test_who_has_written_them_is_told_to_restart_a_service_that_runs_with_what_was_there(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    written(tmp_path)

    assert capsys.readouterr().out == (
        "next: systemctl daemon-reload && systemctl enable --now qemu-pr-helper.socket"
        " && systemctl try-restart qemu-pr-helper.service\n"
    )


def test_a_group_that_is_not_there_is_told_with_what_comes_of_it(
    capsys: pytest.CaptureFixture[str],
) -> None:
    main(["units", "--helper", sys.executable, "--group", "nosuch"])

    assert (
        "qemu-pr: units: warning: --group nosuch: this host has no such group; name the one"
        " that QEMU runs in, kvm on Debian and qemu on Fedora, or the socket will not start\n"
    ) in capsys.readouterr().err


def test_the_socket_is_for_root_or_for_a_group() -> None:
    alone = render(Units("/usr/bin/x", "/run/x.sock"))["qemu-pr-helper.socket"]
    shared = render(Units("/usr/bin/x", "/run/x.sock", "kvm"))["qemu-pr-helper.socket"]

    assert "SocketMode=0600\n" in alone
    assert "SocketGroup=kvm\nSocketMode=0660\n" in shared


@pytest.mark.parametrize(
    ("path", "line"),
    [
        ("/opt/qemu-pr/bin/x", "ExecStart=/opt/qemu-pr/bin/x\n"),
        ("/opt/a b/x", 'ExecStart="/opt/a b/x"\n'),
        ("/opt/100%/$x", 'ExecStart="/opt/100%%/$$x"\n'),
    ],
)
def test_the_path_arrives_as_it_is(path: str, line: str) -> None:
    assert line in render(Units(path, "/run/x.sock"))["qemu-pr-helper.service"]


def test_paths_that_the_service_does_not_see() -> None:
    paths = ["/usr/bin/x", "/home/me/x", "/tmp/x", "/rooted/x", "/root", "/opt/home/x"]

    assert hidden_by_units(paths) == ["/home/me/x", "/tmp/x", "/root"]


@pytest.mark.parametrize(
    "options",
    [
        ("--socket", "x.sock"),
        ("--socket", "/" + "x" * 107),
        ("--socket", "/run/x\ny"),
        ("--helper", "x"),
        ("--group", "a b"),
        ("--audit", "-"),
        ("--audit", "Journal"),
        ("--metrics", "pr.prom"),
        ("--allow-user", "a b"),
        ("--private-network", "maybe"),
    ],
)
def test_what_makes_no_unit_is_refused(
    options: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as exit_:
        main(["units", *options])

    out, err = capsys.readouterr()
    assert (exit_.value.code, out) == (1, "")
    assert err.startswith("qemu-pr: units: ")
    assert len(err.splitlines()) == 1


@pytest.mark.parametrize("path", ["/nosuch", "/usr/bin"])
def test_a_helper_that_is_not_there_is_told(path: str, capsys: pytest.CaptureFixture[str]) -> None:
    status = main(["units", "--helper", path])

    assert (status, *capsys.readouterr()) == (
        1,
        "",
        f"qemu-pr: units: {path}: there is no such program; name it with --helper\n",
    )


def test_a_directory_that_is_not_there_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    status = main(["units", "--helper", sys.executable, "--output", "/nosuch"])

    assert status == 1
    assert capsys.readouterr().err.endswith(
        ".socket: cannot write it: No such file or directory; make the directory first\n"
    )


def test_a_helper_out_of_sight_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    program = Path("/tmp/qemu-pr-helper-of-a-test")
    program.symlink_to("/bin/true")
    try:
        main(["units", "--helper", str(program)])
    finally:
        program.unlink()

    assert capsys.readouterr().err == (
        f"qemu-pr: units: warning: {program}: the service does not see it;"
        " install qemu-pr under /opt or /usr\n"
    )
