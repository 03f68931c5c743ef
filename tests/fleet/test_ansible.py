"""The playbooks, as ansible-playbook runs them where nothing is to be installed.

tests/deb installs the package through the role.
"""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from qemu_pr.cli.qemu_pr import main
from simulated_hosts import DISK, SimulatedHost, fence

PROJECT = Path(__file__).parents[2]
ROLE = PROJECT / "packaging/ansible/roles/qemu_pr"
BIN = Path(sys.executable).parent

pytestmark = pytest.mark.timeout(400)  # each module is a Python of its own; the machine may be busy


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """The folder of who administers the hosts: a copy, as reports go beside the playbook."""
    shutil.copytree(PROJECT / "packaging/ansible", tmp_path / "ansible")
    return tmp_path / "ansible"


def inventory(site: Path, hosts: dict[str, dict[str, object]]) -> Path:
    here = {"ansible_connection": "local", "ansible_python_interpreter": sys.executable}
    file = site / "hosts.json"  # JSON is YAML
    file.write_text(json.dumps({"all": {"hosts": {name: here | hosts[name] for name in hosts}}}))
    return file


def play(site: Path, playbook: str, *options: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [BIN / "ansible-playbook", "-e", '{"ansible_become": false}', *options, playbook],
        cwd=site,
        env={"PATH": f"{BIN}:/usr/bin:/bin", "HOME": str(site), "LC_ALL": "C.UTF-8"},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.slow
def test_reports_are_collected_and_shown_together(nodes: list[SimulatedHost], site: Path) -> None:
    fence(nodes[0], 0xC)
    (site / "reports").mkdir()
    (site / "reports/gone.json").write_text("what an earlier run left")
    hosts = inventory(
        site, {one.name: {"qemu_pr_report_options": ["--root", str(one.root)]} for one in nodes}
    )

    done = play(site, "fleet.yml", "-i", hosts)

    assert done.returncode == 0, done.stdout + done.stderr
    lines = [line.strip() for line in done.stdout.splitlines()]
    (row,) = [line for line in lines if line.startswith(DISK)]
    assert row.endswith("holds 1/1 alice  registered 1/1 bob  FENCED 0/1 carol")
    found = ("fenced: ", "stale-registration: ", "no-helper: ")
    assert [line.split()[0] for line in lines if line.startswith(found)] == [
        *("fenced:", "stale-registration:", "no-helper:")
    ]
    assert done.stdout.count("changed=0 ") == 3
    assert "FENCED" in (site / "reports/fleet.html").read_text()


@pytest.mark.slow
def test_a_host_without_the_program_does_not_hide_the_others(
    nodes: list[SimulatedHost], site: Path
) -> None:
    options = {"qemu_pr_report_options": ["--root", str(nodes[0].root)]}
    bare = {"ansible_python_interpreter": f"/usr/bin/env -i PATH=/nowhere {sys.executable}"}
    hosts = inventory(site, {"bare": bare, "node1": options})

    done = play(site, "fleet.yml", "-i", hosts)

    assert done.returncode == 2
    assert "holds 1/1 alice" in done.stdout
    assert not (site / "reports/bare.json").exists()


def test_the_role_refuses_a_host_without_a_package_before_it_is_changed(site: Path) -> None:
    done = play(site, "install.yml", "-i", inventory(site, {"node1": {}}))

    assert done.returncode == 2
    assert "missing required arguments: qemu_pr_package" in done.stdout + done.stderr


def test_each_variable_is_in_the_manual() -> None:
    files = [ROLE / "meta/argument_specs.yml", ROLE.parents[1] / "fleet.yml"]
    options = {"qemu_pr_report", "qemu_pr_fleet"}  # what the playbook itself registers
    found = set(re.findall(r"qemu_pr_\w+", "".join(one.read_text() for one in files))) - options
    page = (PROJECT / "docs/howto/watch-a-fleet.rst").read_text()

    assert len(found) == 6
    assert [one for one in found if f"* - ``{one}``" not in page] == []


def test_the_role_writes_what_the_program_advises(capsys: pytest.CaptureFixture[str]) -> None:
    main(["multipath-conf", "--defaults"])

    assert (ROLE / "files/multipath.conf").read_text() == capsys.readouterr().out
