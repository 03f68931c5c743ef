"""The Debian package: built, installed, tried, removed, in machines that have nothing else."""

import html
import re
import shutil
import subprocess
from pathlib import Path

from conftest import INSTALL
from machine import CACHE, Machine
from qemu_pr.verified_examples.transcript import matches, normal, parse

TUTORIAL = "usr/share/doc/qemu-pr/html/tutorial.html"
CONSOLE = re.compile(r'<div [^>]*class="highlight-console[^>]*>.*?<pre>(.*?)</pre>', re.DOTALL)
PAGES = {"qemu-pr": "qemu-pr.1", "qemu-pr-helper": "qemu-pr-helper.8qemu-pr"}


def transcripts(page: str) -> list[str]:
    """Give what a page shows of terminals."""
    return [html.unescape(re.sub("<[^>]*>", "", block)) for block in CONSOLE.findall(page)]


def untrue(machine: Machine, page: str, *, user: str, before: str = "") -> list[tuple[str, str]]:
    """Type what a page says, in one shell, and give what printed anything else."""
    steps = [step for text in transcripts(page) for step in parse(text.strip("\n"))]
    assert len(steps) > 30
    typed = "".join(f"status=$?; echo '@@@'; (exit $status)\n{step.command}\n" for step in steps)
    script = machine.root / "srv/qemu-pr/typed.sh"
    script.write_text(f"{before}\ncd $(mktemp -d)\n{typed}echo '@@@'\n")
    output = machine.run(f"setpriv --reuid {user} --clear-groups sh typed.sh 2>&1", check=False)
    printed = output.split("@@@\n")[1:-1]
    assert len(printed) == len(steps), output
    return [
        (step.command, text)
        for step, text in zip(steps, printed, strict=True)
        if not matches(normal(step.expected), normal(text))
    ]


def test_lintian_has_nothing_to_say(builder: Machine) -> None:
    told = builder.run("lintian --allow-root --fail-on error,warning out/*.changes")

    assert not re.search("^[EW]:", told, re.MULTILINE)


def test_it_is_installed_used_removed_and_purged(clean: Machine) -> None:
    # What it depends on stays when it goes; the others are to look at what it brings.
    clean.run(f"{INSTALL} python3 systemd man-db zsh bash-completion")
    before = clean.files()

    clean.run(f"{INSTALL} ./qemu-pr.deb")

    page = (clean.root / TUTORIAL).read_text()
    assert untrue(clean, page, user="root") == []
    assert untrue(clean, page, user="nobody", before="PATH=/usr/sbin:/usr/bin:/bin") == []
    for name, file in PAGES.items():
        assert file in clean.run(f"man --where {name}")
        assert "persistent reservations" in clean.run(f"man {name}")
    clean.run("bash -c '. /usr/share/bash-completion/completions/qemu-pr && complete -p qemu-pr'")
    completes = (
        "autoload -U compinit && compinit -D && whence -w _qemu-pr && print $_comps[qemu-pr]"
    )
    assert "_qemu-pr" in clean.run(f"zsh -c '{completes}'")
    units = clean.run("qemu-pr units")
    assert "ExecStart=/usr/sbin/qemu-pr-helper\n" in units
    assert clean.run("getent group kvm").startswith("kvm:")

    clean.run("apt-get remove -q -y qemu-pr")
    left = clean.files() - before
    assert left == {"/etc/logrotate.d/qemu-pr", "/var/log/qemu-pr"}

    clean.run(f"{INSTALL} ./qemu-pr.deb && qemu-pr --version && apt-get purge -q -y qemu-pr")
    assert clean.files() - before == set()


def test_it_takes_the_place_of_qemu_s_helper_and_gives_it_back(clean: Machine) -> None:
    clean.run(f"{INSTALL} ./qemu-pr.deb qemu-system-common man-db")
    assert "QEMU" in clean.run(
        "head -c 4000000 /usr/bin/qemu-pr-helper | strings || true; echo QEMU"
    )
    page_of_qemu = clean.run("man --where 8 qemu-pr-helper")

    clean.run("/usr/libexec/qemu-pr/replace-qemu-helper")
    clean.run("/usr/libexec/qemu-pr/replace-qemu-helper")  # twice is once
    ours = clean.run("qemu-pr --version").split()[1]
    assert clean.run("/usr/bin/qemu-pr-helper --version").split()[1] == ours
    clean.run("apt-get install -q -y --reinstall qemu-system-common")
    assert clean.run("/usr/bin/qemu-pr-helper --version").split()[1] == ours

    clean.run("/usr/libexec/qemu-pr/replace-qemu-helper --undo")
    assert clean.run("head -c 4 /usr/bin/qemu-pr-helper").endswith("ELF")
    assert clean.run("man --where 8 qemu-pr-helper") == page_of_qemu

    clean.run("/usr/libexec/qemu-pr/replace-qemu-helper && apt-get purge -q -y qemu-pr")
    assert clean.run("head -c 4 /usr/bin/qemu-pr-helper").endswith("ELF")
    assert clean.run("dpkg-divert --list | grep -c qemu-pr || true").strip() == "0"


def test_upgrades_under_load_lose_no_command(clean: Machine) -> None:
    clean.run(f"{INSTALL} ./qemu-pr.deb systemd systemd-sysv")
    shutil.copy(Path(__file__).with_name("load.py"), clean.root / "srv/qemu-pr")
    simulating = clean.root / "etc/systemd/system/qemu-pr-helper.service.d/simulating.conf"
    simulating.parent.mkdir(parents=True)
    simulating.write_text(
        "[Service]\nExecStart=\nStateDirectory=simulated\n"
        "ExecStart=/usr/sbin/qemu-pr-helper --simulate /var/lib/simulated/state.db\n"
    )
    newer = [repacked(clean, f"0.1.0-{number}") for number in range(2, 7)]
    load = "/srv/qemu-pr/load.py /run/qemu-pr-helper.sock /srv/qemu-pr/disk.img 10000"

    with clean.booted() as booted:
        booted.run(
            "systemctl enable --now qemu-pr-helper.socket; truncate -s 1M /srv/qemu-pr/disk.img"
        )
        inode = booted.run("stat -c %i /run/qemu-pr-helper.sock")
        client = booted.popen(
            "python3", *load.split(), stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        assert client.stdout is not None
        assert client.stdout.readline() == "connected\n"
        helpers = {booted.run("systemctl show -P MainPID qemu-pr-helper.service")}
        for package in newer:
            booted.run(f"dpkg -i {package}")
            helpers.add(booted.run("systemctl show -P MainPID qemu-pr-helper.service"))
        output, _ = client.communicate()
        assert client.returncode == 0
        answered, unknown, generation = map(int, output.split())
        print(f"{answered} commands answered, {unknown} not, generation {generation}")

        assert len(helpers) == 6  # each upgrade started a new one
        assert booted.run("stat -c %i /run/qemu-pr-helper.sock") == inode
        assert "0.1.0-6" in booted.run("dpkg-query -W qemu-pr")
    assert answered >= 10_000
    assert answered <= generation <= answered + unknown
    assert unknown <= 5  # one a restart at most


def repacked(clean: Machine, version: str) -> str:
    """Make a package that differs in its version, and give its path inside."""
    path = f"/srv/qemu-pr/qemu-pr_{version}.deb"
    clean.run(
        f"rm -rf tree && dpkg-deb -R qemu-pr.deb tree"
        f" && sed -i 's/^Version: .*/Version: {version}/' tree/DEBIAN/control"
        f" && dpkg-deb -b tree {path}"
    )
    return path


def test_piuparts_finds_nothing(release: str, package: Path, tmp_path: Path) -> None:
    done = subprocess.run(
        ["piuparts", f"--existing-chroot={CACHE / release}", f"--distribution={release}",
         "--no-eatmydata", "--warn-on-leftovers-after-purge", str(package)],
        capture_output=True,
        text=True,
        cwd=tmp_path,
    )  # fmt: skip

    assert done.returncode == 0, done.stdout[-4000:]


def test_apparmor_takes_libvirt_s_profiles_with_the_rules_of_the_package(clean: Machine) -> None:
    clean.run(f"{INSTALL} ./qemu-pr.deb apparmor")
    # The profiles are in one of these packages; nothing of libvirt has to run.
    clean.run(
        "cd /tmp && apt-get download"
        " libvirt-daemon-system libvirt-daemon libvirt-daemon-driver-qemu"
        " && for one in *.deb; do dpkg-deb -x $one libvirt; done"
        " && cp -r libvirt/etc/apparmor.d /etc"
    )
    local = clean.root / "etc/apparmor.d/local"
    (local / "abstractions").mkdir(parents=True, exist_ok=True)
    shipped = clean.root / "usr/share/qemu-pr/apparmor"
    shutil.copy(shipped / "libvirt-qemu", local / "abstractions/libvirt-qemu")
    shutil.copy(shipped / "libvirtd", local / "usr.sbin.libvirtd")
    (clean.root / "etc/apparmor.d/guest").write_text(
        "include <tunables/global>\nprofile guest {\n  include <abstractions/libvirt-qemu>\n}\n"
    )

    for profile, rule in {
        "usr.sbin.libvirtd": "/opt/qemu-pr/bin/qemu-pr-helper",
        "guest": "/run/qemu-pr-helper.sock",
    }.items():
        clean.run(f"apparmor_parser -QK /etc/apparmor.d/{profile}")
        assert rule in clean.run(f"apparmor_parser --preprocess /etc/apparmor.d/{profile}")
