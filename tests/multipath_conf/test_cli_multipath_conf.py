"""``qemu-pr multipath-conf`` as operators run it."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from multipath_host import Host, multipath_t
from qemu_pr.cli.qemu_pr import main
from qemu_pr.manager import PRManagerHelper
from qemu_pr.multipath_conf.parser import parse
from qemu_pr.scsi.commands import OutServiceAction, PersistentReserveOut
from qemu_pr.scsi.parameter_lists import ParameterList
from requirements import unavailable
from running_helper import running_helper

PATIENCE = 60
PROGRAM = "from qemu_pr.cli import qemu_pr; raise SystemExit(qemu_pr.main())"
COMMAND = (sys.executable, "-c", PROGRAM, "multipath-conf")
HELPER = (sys.executable, "-m", "qemu_pr.cli.qemu_pr_helper", "-q")
INITIATOR = "naa.600140500000000a"
WWID = "3600140500000000a0000000000000001"
OTHER_WWID = "3600140500000000b0000000000000002"
DEFAULT = "defaults {\n    reservation_key 0xd\n}\n"


def run(*arguments: str | os.PathLike[str], **more: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*COMMAND, *arguments], capture_output=True, text=True, timeout=PATIENCE, **more
    )


def printed(*arguments: str) -> str:
    done = run(*arguments)

    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def refused(*arguments: str) -> str:
    done = run(*arguments)

    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.count("\n") == 1
    return done.stderr


@pytest.fixture
def conf(tmp_path: Path) -> Path:
    path = tmp_path / "multipath.conf"
    path.write_text(DEFAULT)
    return path


@pytest.fixture
def socket(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The socket of a helper; key 0xa is registered with the simulated disk disk.img beside it."""
    folder = tmp_path_factory.mktemp("h")
    disk = folder / "disk.img"
    disk.touch()
    socket = str(folder / "s")
    simulate = ("--simulate", str(folder / "state.db"), "--initiator", INITIATOR)
    data = ParameterList(0, 0xA).encode()
    cdb = PersistentReserveOut(OutServiceAction.REGISTER, len(data)).encode()
    with running_helper(HELPER, socket, *simulate):
        with PRManagerHelper(socket) as manager, disk.open("r+b") as file:
            assert manager.execute(file.fileno(), cdb, data).status == 0
        yield socket


def named(socket: str) -> str:
    """The disk of a helper, with a WWID."""
    return f"{WWID}={Path(socket).parent}/disk.img"


def test_an_entry_for_maps() -> None:
    assert printed(WWID, OTHER_WWID, "--key", "123ABC", "--aptpl") == (
        "multipaths {\n"
        "    multipath {\n"
        f"        wwid {WWID}\n"
        "        reservation_key 0x123abc:aptpl\n"
        "    }\n"
        "    multipath {\n"
        f"        wwid {OTHER_WWID}\n"
        "        reservation_key 0x123abc:aptpl\n"
        "    }\n"
        "}\n"
    )


def test_an_entry_with_an_alias() -> None:
    assert "        alias yellow\n" in printed(WWID, "--alias", "yellow", "--host", "node1")


def test_multipathd_remembers_unless_a_key_is_given() -> None:
    assert printed("--defaults") == "defaults {\n    reservation_key file\n}\n"


def test_a_map_that_is_named_twice_has_one_entry() -> None:
    assert printed(WWID, f"{WWID}=/dev/sdx").count("wwid") == 1


def test_an_entry_as_json() -> None:
    assert json.loads(printed(WWID, "--host", "7", "--json")) == {
        "section": "multipaths",
        "reservation_key": "0x71656d7570720007",
        "multipaths": [{"device": WWID, "wwid": WWID, "alias": None}],
    }


def test_what_is_printed_is_what_multipath_reads(tmp_path: Path) -> None:
    host = Host(tmp_path)
    host.write("etc/multipath.conf", printed(WWID, "--alias", "a # b", "--host", "node1"))

    shown = multipath_t(host)

    assert "multipath.conf" not in shown.stderr
    (multipaths,) = (one for one in parse(shown.stdout).sections if one.name == "multipaths")
    (multipath,) = multipaths.sections("multipath")
    assert [entry.value for entry in multipath.entries] == [WWID, "a # b", "0xca12f31b8cbf5f29"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "name a DISK, or print an entry for all maps with --defaults"),
        ((WWID, "--defaults"), "--defaults is for all maps"),
        ((WWID, "--key", "0"), "--key 0: it is no key"),
        ((WWID, "--key", "0x0"), "--key 0: 0 means no key; give another key"),
        ((WWID, "--key", "yellow"), "--key yellow: it is no key; write 1 to 16 hexadecimal"),
        ((WWID, "--key", "file", "--aptpl"), "multipathd remembers APTPL by itself"),
        ((WWID, "--key", "1", "--host", "a"), "not allowed with argument --key"),
        ((WWID, "--host", "65536"), "host 65536: numbers end at 65535"),
        ((WWID, OTHER_WWID, "--alias", "x"), "--alias: a name is for one map"),
        ((WWID, "--alias", ""), "--alias : no map can have this name"),
        ((WWID, "--alias", "a/b"), "--alias a/b: no map can have this name"),
        (("--defaults", "--key", ""), "--key : it is no key"),
        (("",), "'': it is no WWID"),
        ((WWID, "--alias", "a\nb"), "no way to write a line end"),
        ((WWID, "--socket", "/x"), "--socket needs --check"),
        (("--check", "--host", "a"), "--host does not go with --check"),
        (("naa." + WWID[1:],), f"multipath writes it in another way; use {WWID}"),
        (("/dev/null",), "/dev/null: it is no block device"),
        (("/dev/no\x1bsuch",), r"/dev/no\x1bsuch: cannot find it: No such file"),
    ],
)
def test_what_cannot_be_printed(arguments: tuple[str, ...], message: str) -> None:
    assert message in refused(*arguments)


def test_an_odd_wwid_is_doubted() -> None:
    done = run(WWID[:-1])

    assert done.returncode == 0
    assert done.stderr == (
        f"qemu-pr: multipath-conf: warning: {WWID[:-1]}: it has 32 characters,"
        " and a WWID that begins with 3 has 17 or 33\n"
    )


def test_a_file_with_nothing_to_find(conf: Path) -> None:
    assert printed("--check", str(conf)) == f"{conf}: no findings\n"


def test_a_finding_is_one_line_with_its_place(conf: Path) -> None:
    conf.write_text("# c\n" + DEFAULT.replace("0xd", "0x0"))

    done = run("--check", conf)

    assert (done.returncode, done.stderr) == (1, "")
    assert done.stdout == (
        f"{conf}:3: reservation_key 0x0: key 0 means no key, so no path is ever registered; give"
        " each host a key of its own: qemu-pr multipath-conf --host NAME\n"
    )


def test_an_error_of_syntax_has_a_status_of_its_own(conf: Path) -> None:
    conf.write_text(DEFAULT + "}\n")

    done = run("--check", conf)

    assert done.returncode == 2
    assert done.stdout.startswith(f"{conf}:4: }}: no section is open here; ")


def test_standard_input_is_a_file() -> None:
    done = run("--check", "-", input="x\n")

    assert done.returncode == 2
    assert done.stdout.startswith("standard input:1: x: it has no value")


def test_bytes_that_are_no_text_are_shown_harmlessly(conf: Path) -> None:
    conf.write_bytes(b"defaults {\n reservation_key \x01\n}\n\x1b]0;x\x07\xff\n")

    done = run("--check", conf)

    assert done.returncode == 2
    assert all(line.isprintable() for line in done.stdout.splitlines())


@pytest.mark.parametrize("option", ["--check", "--other-host"])
def test_a_file_that_cannot_be_read(conf: Path, option: str) -> None:
    done = run("--check", conf, option, conf / "x")

    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == (
        f"qemu-pr: multipath-conf: {conf / 'x'}: cannot read it: Not a directory\n"
    )


def test_a_name_that_is_too_long_for_a_file() -> None:
    done = run("--check", "x" * 300)

    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.endswith("x: cannot read it: File name too long\n")


def test_a_disk_behind_check_is_taken_for_a_file() -> None:
    done = run("--check", WWID)

    assert done.returncode == 2
    assert done.stderr.endswith(
        "No such file or directory; if it is a DISK, put it in front of --check\n"
    )


def test_a_key_that_another_host_has_too(conf: Path, tmp_path: Path) -> None:
    other = tmp_path / "node2.conf"
    other.write_text(DEFAULT)

    done = run("--check", conf, "--other-host", other)

    assert done.returncode == 1
    assert done.stdout.startswith(f"{conf}:2: reservation_key 0xd: {other}:2 has the same")


def test_a_key_that_is_registered(conf: Path, socket: str) -> None:
    conf.write_text(DEFAULT.replace("0xd", "0xa"))

    assert "no findings" in printed("--check", str(conf), named(socket), "--socket", socket)


def test_a_key_that_is_not_registered(conf: Path, socket: str) -> None:
    done = run("--check", conf, named(socket), "--socket", socket)

    assert (done.returncode, done.stderr) == (1, "")
    assert (
        f"{conf}:2: reservation_key 0xd: {named(socket)} has other keys only: 0xa;" in done.stdout
    )


def test_a_disk_that_does_not_answer(conf: Path, tmp_path: Path) -> None:
    done = run("--check", conf, f"{WWID}={tmp_path}/none")

    assert done.returncode == 2
    assert done.stdout == f"{conf}: no findings\n"
    assert done.stderr.startswith(
        f"qemu-pr: multipath-conf: {WWID}={tmp_path}/none: its keys were not read: cannot open it: "
    )


def test_a_check_as_json(conf: Path, socket: str) -> None:
    done = run("--check", conf, named(socket), OTHER_WWID, "--socket", socket, "--json")

    (finding,) = (report := json.loads(done.stdout)).pop("findings")
    assert report == {
        "files": [str(conf)],
        "multipathd": False,
        "disks": [
            {
                "device": named(socket),
                "wwid": WWID,
                "reservation_key": "0xd",
                "registered": ["0xa"],
            },
            {
                "device": OTHER_WWID,
                "wwid": OTHER_WWID,
                "reservation_key": "0xd",
                "registered": None,
            },
        ],
    }
    assert (finding["file"], finding["line"], finding["syntax"]) == (str(conf), 2, False)
    assert set(finding) == {"file", "line", "what", "why", "advice", "syntax"}


class ThisHost(Host):
    """A host with one map, which is /dev/loop0, and a multipathd that is asked only."""

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        if not Path("/dev/loop0").is_block_device():
            unavailable("/dev/loop0 is missing: modprobe loop")
        self.places.append("sys")
        self.write("sys/block/dm-0/dm/uuid", f"mpath-{WWID}\n")
        self.write("sys/block/dm-0/dm/name", "mpatha\n")
        (root / "sys/dev/block").mkdir(parents=True)
        (root / "sys/dev/block/7:0").symlink_to("../../block/dm-0")
        (root / "bin").mkdir()
        # PATH first has a multipathd that tells what multipath reads from another file.
        self.env = {**os.environ, "PATH": f"{root}/bin:{os.environ['PATH']}"}

    def multipathd_runs_with(self, text: str, folder: Path) -> None:
        daemon = Host(folder)
        daemon.write("etc/multipath.conf", text)
        (self.root / "config").write_text(multipath_t(daemon).stdout)
        program = self.root / "bin" / "multipathd"
        program.write_text(f'#!/bin/sh\ntest "$*" = "show config" && cat {self.root}/config\n')
        program.chmod(0o755)

    def check(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return self.run(*COMMAND, *arguments, "--check", env=self.env)


@pytest.fixture
def this_host(tmp_path: Path) -> ThisHost:
    (tmp_path / "host").mkdir()
    return ThisHost(tmp_path / "host")


def test_the_wwid_of_a_device(this_host: ThisHost) -> None:
    done = this_host.run(*COMMAND, "loop0")

    assert (done.returncode, done.stderr) == (0, "")
    assert f"        wwid {WWID}\n" in done.stdout


def test_this_host_s_files_and_daemon(this_host: ThisHost, tmp_path: Path) -> None:
    (tmp_path / "daemon").mkdir()
    this_host.write("etc/multipath.conf", DEFAULT)
    this_host.write("etc/multipath/conf.d/b.conf", DEFAULT.replace("0xd", "0xe"))
    this_host.write("etc/multipath/conf.d/ignored", "x\n")
    this_host.multipathd_runs_with(DEFAULT, tmp_path / "daemon")

    done = this_host.check()

    assert done.returncode == 1
    assert done.stdout == (
        "/etc/multipath/conf.d/b.conf:2: reservation_key 0xe: multipathd runs with 0xd; make it"
        " read the file: multipathd reconfigure\n"
    )
    # The map has no device node here.
    assert done.stderr.startswith(
        "qemu-pr: multipath-conf: warning: /dev/mapper/mpatha: its keys were not read: "
    )


def test_this_host_has_another_map(this_host: ThisHost) -> None:
    this_host.write("etc/multipath.conf", printed(OTHER_WWID))

    done = this_host.check("--json")

    report = json.loads(done.stdout)
    assert done.returncode == 1
    assert [disk["device"] for disk in report["disks"]] == ["/dev/mapper/mpatha"]
    assert [finding["what"] for finding in report["findings"]] == [
        f"/dev/mapper/mpatha ({WWID})",
        f"wwid {OTHER_WWID}",
    ]


def test_a_daemon_that_does_not_run_is_told(this_host: ThisHost) -> None:
    this_host.write("etc/multipath.conf", DEFAULT)
    this_host.write("bin/multipathd", "#!/bin/sh\nexit 1\n").chmod(0o755)

    done = this_host.check()

    assert (done.returncode, done.stdout) == (0, "/etc/multipath.conf: no findings\n")
    assert "multipathd does not tell what it runs with" in done.stderr


def test_what_multipathd_remembers_is_compared(this_host: ThisHost, socket: str) -> None:
    this_host.write("etc/multipath.conf", DEFAULT.replace("0xd", "file"))
    this_host.write("etc/multipath/prkeys", f"0x00000000000000bb {WWID}\n")

    done = this_host.check(named(socket), "--socket", socket)

    assert done.returncode == 1
    assert "reservation_key file, for which multipathd remembers 0xbb: " in done.stdout


def test_a_device_behind_check_is_a_disk(this_host: ThisHost) -> None:
    this_host.write("etc/multipath.conf", "defaults {\n}\n")

    done = this_host.run(*COMMAND, "--check", "/dev/loop0", env=this_host.env)

    assert f"/etc/multipath.conf:1: /dev/loop0 ({WWID}): neither defaults" in done.stdout


def test_a_host_without_the_file(this_host: ThisHost) -> None:
    done = this_host.check()

    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == (
        "qemu-pr: multipath-conf: /etc/multipath.conf: cannot read it: No such file or directory;"
        " write one: qemu-pr multipath-conf --defaults\n"
    )


def test_another_root_has_its_own_files_and_maps(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "sys/block/dm-0/dm").mkdir(parents=True)
    (tmp_path / "sys/block/dm-0/dm/name").write_text("mpatha\n")
    (tmp_path / "sys/block/dm-0/dm/uuid").write_text("mpath-3600140500000000a0000000000000001\n")
    (tmp_path / "etc/multipath/conf.d").mkdir(parents=True)
    (tmp_path / "etc/multipath.conf").write_text("defaults {\n}\n")
    (tmp_path / "etc/multipath/conf.d/keys.conf").write_text(
        "defaults {\n reservation_key file\n}\n"
    )

    status = main(["multipath-conf", "--check", f"--root={tmp_path}", "--json"])

    told = capsys.readouterr()
    found = json.loads(told.out)
    assert status == 0
    assert found["files"] == [
        f"{tmp_path}/etc/multipath.conf",
        f"{tmp_path}/etc/multipath/conf.d/keys.conf",
    ]
    assert [(one["device"], one["reservation_key"]) for one in found["disks"]] == [
        ("/dev/mapper/mpatha", "file")
    ]
    assert not found["multipathd"]
    assert "multipathd" not in told.err
