"""libvirt's daemon with its QEMU driver, set up as the manual says, and a guest of it."""

import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from guest import KERNEL, KERNEL_OPTIONS, Shell, serial_listener
from layer import writable
from waiting import wait_for

GUEST = "guest"  # as the manual's commands call it
LOGS = Path("/var/log/libvirt/qemu")
QEMU_USER = "libvirt-qemu"  # whom Debian's package libvirt-daemon-system adds
# libvirt starts every QEMU that it finds and asks what it can do, which takes long in emulation.
OTHER_QEMU = "/usr/bin/qemu-system-i386"
SERIAL = "/run/lab-libvirt.serial"
CONFIGURATION = Path("/etc/libvirt/qemu.conf")
# There is no virtlogd to write QEMU's logs. Tests run in a chroot, which a helper would leave that
# libvirt sends to the mount namespace of its guest.
SETTINGS = """\
stdio_handler = "file"
namespaces = []
"""
DOMAIN = """\
<domain type='kvm'>
  <name>{name}</name>
  <memory unit='MiB'>256</memory>
  <os>
    <type arch='x86_64' machine='pc'>hvm</type>
    <loader type='rom'>/usr/share/qemu/qboot.rom</loader>
    <kernel>{kernel}</kernel>
    <initrd>{initramfs}</initrd>
    <cmdline>{options}</cmdline>
  </os>
  <features><acpi/></features>
  <cpu mode='host-passthrough'/>
  <devices>
    <emulator>/usr/bin/qemu-system-x86_64</emulator>
{disk}
    <controller type='usb' model='none'/>
    <serial type='file'><source path='{console}'/><target port='0'/></serial>
    <serial type='unix'><source mode='connect' path='{serial}'/><target port='1'/></serial>
    <memballoon model='none'/>
  </devices>
</domain>
"""


@contextmanager
def installed(path: Path, program: str) -> Iterator[None]:
    """Have a program at a path, in a directory that cannot be written, for the length of a `with`.

    Args:
        path: Where it is to be.
        program: Where it is.
    """
    with writable(path.parent):
        path.symlink_to(program)
        yield


@contextmanager
def daemon(pr_helper: str, log: Path, program: Sequence[str] = ("libvirtd",)) -> Iterator[None]:
    """Run libvirtd for the length of a `with`.

    Args:
        pr_helper: The line of qemu.conf that names the helper.
        log: Where its messages go.
        program: What starts it.
    """
    if subprocess.run(["id", QEMU_USER], capture_output=True).returncode:
        _add_user(QEMU_USER, 64055)
    Path("/dev/kvm").chmod(0o666)  # as udev does
    CONFIGURATION.parent.mkdir(exist_ok=True)
    before = CONFIGURATION.read_text() if CONFIGURATION.exists() else None
    CONFIGURATION.write_text(f"{pr_helper}\n{SETTINGS}")
    if Path(OTHER_QEMU).exists():
        subprocess.run(["mount", "--bind", "/dev/null", OTHER_QEMU], check=True)
    LOGS.mkdir(parents=True, exist_ok=True)
    with log.open("wb") as file:
        process = subprocess.Popen(program, stdout=file, stderr=file)

    def answers() -> bool:
        assert process.poll() is None, f"libvirtd ended: {log.read_text()}"
        return subprocess.run(["virsh", "version"], capture_output=True).returncode == 0

    try:
        wait_for(answers, "libvirtd to answer")
        yield
    finally:
        process.terminate()
        process.wait()
        CONFIGURATION.unlink() if before is None else CONFIGURATION.write_text(before)


def _add_user(name: str, number: int) -> None:
    """Add a user with a group of the same name, as useradd does where /etc can be written."""
    entries = {"passwd": f"{name}:x:{number}:{number}::/:/usr/sbin/nologin\n"}
    entries["group"] = f"{name}:x:{number}:\n"
    for file, entry in entries.items():
        longer = Path(f"/run/lab-{file}")
        longer.write_text(Path("/etc", file).read_text() + entry)
        subprocess.run(["mount", "--bind", longer, f"/etc/{file}"], check=True)


@contextmanager
def defined(disk: str, initramfs: Path, directory: Path) -> Iterator[None]:
    """Define a guest, which is off, for the length of a `with`.

    Args:
        disk: The XML of its disk.
        initramfs: What `build_initramfs` made.
        directory: Where its logs are moved to in the end.
    """
    xml = DOMAIN.format(
        name=GUEST,
        kernel=KERNEL,
        initramfs=initramfs,
        options=KERNEL_OPTIONS,
        disk=disk,
        console=LOGS / "console.log",
        serial=SERIAL,
    )
    virsh("define", "/dev/stdin", stdin=xml)
    try:
        yield
    finally:
        virsh("undefine", GUEST)
        for log in LOGS.glob("*.log"):
            with (directory / f"libvirt-{log.name}").open("ab") as file:
                file.write(log.read_bytes())
            log.unlink()


@contextmanager
def started(start: Callable[[], object] = lambda: virsh("start", GUEST)) -> Iterator[Shell]:
    """Start the guest, and run it for the length of a `with`."""
    with serial_listener(SERIAL) as listener:
        with standing_clock():
            start()
        try:
            with listener.accept()[0] as serial:
                yield Shell(serial)
        finally:
            virsh("destroy", GUEST)


def virsh(*arguments: str, stdin: str = "") -> str:
    """Run virsh, and give what it prints.

    Raises:
        RuntimeError: It failed.
    """
    done = subprocess.run(
        ["virsh", "--quiet", *arguments], input=stdin, capture_output=True, text=True
    )
    if done.returncode:
        raise RuntimeError(f"virsh {' '.join(arguments)}: {done.stderr}")
    return done.stdout


@contextmanager
def standing_clock() -> Iterator[None]:
    """Stop the machine's clock for the length of a `with`.

    By this clock, libvirt waits one second for the socket of a helper that it has started. A
    processor needs a tenth of that to start Python; an emulated one needs several seconds.
    """
    stopped_at, begin = time.time(), time.monotonic()
    ended = threading.Event()

    def hold() -> None:
        while not ended.wait(0.02):
            time.clock_settime(time.CLOCK_REALTIME, stopped_at)

    holding = threading.Thread(target=hold)
    holding.start()
    try:
        yield
    finally:
        ended.set()
        holding.join()
        time.clock_settime(time.CLOCK_REALTIME, stopped_at + time.monotonic() - begin)
