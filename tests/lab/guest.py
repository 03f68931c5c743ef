"""A Linux guest in a real QEMU: started with a command line's text, driven over a serial port."""

import secrets
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from monitor import Monitor
from waiting import PATIENCE, SLOWNESS, wait_for, waiting_for

PROGRAMS = ["/usr/bin/sg_persist", "/usr/bin/sg_turs", "/usr/bin/sg_inq"]
KERNEL = "/run/kernel"  # the virtual machine's own
# In emulation the time to boot goes into firmware (qboot.rom has little), searching the PCI bus
# early and testing ciphers.
KERNEL_OPTIONS = "console=ttyS0 quiet panic=-1 mitigations=off pci=noearly cryptomgr.notests"
MODULES = ["virtio_pci", "virtio_scsi", "sd_mod", "sg"]
BOOT_ATTEMPTS = 3
BOOT_SECONDS = 40.0 * SLOWNESS  # five times what it takes, on a slow machine too
INIT = """\
#!/bin/busybox sh
/bin/busybox --install -s /bin
mount -t devtmpfs dev /dev
mount -t proc proc /proc
mount -t sysfs sys /sys
for module in /modules/*; do insmod $module 2>/dev/null; done
exec <>/dev/ttyS1 >&0 2>&1
stty raw -echo
echo ready
while read -r mark command; do
    (eval "$command") </dev/null
    echo "$mark $? $mark"
done
"""


PERSIST = "sg_persist --no-inquiry"

S = TypeVar("S", bound="Shell")


@dataclass(frozen=True)
class Result:
    """What a command came to: its exit status, and its output with its errors."""

    status: int
    output: str


class Shell:
    """A shell in a guest, at the other end of a serial port."""

    def __init__(self, serial: socket.socket, *, boots: bool = True) -> None:
        """Wait for the shell, if the guest boots; one that is to migrate here has it already."""
        self._serial = serial
        if boots:
            self._receive_until("ready\n", BOOT_SECONDS, "the guest to boot")

    def run(self, command: str, seconds: float = PATIENCE) -> Result:
        """Run one line of shell in the guest.

        Raises:
            TimeoutError: It did not end within so many seconds.
            EOFError: The guest went away.
        """
        mark = secrets.token_hex(4)
        self._serial.sendall(f"{mark} {command}\n".encode())
        output, status, _ = self._receive_until(
            f" {mark}\n", seconds, f"the guest to run {command}"
        ).split(mark)
        return Result(int(status), output)

    def _receive_until(self, end: str, seconds: float, what: str) -> str:
        self._serial.settimeout(seconds)
        received = b""
        with waiting_for(what, seconds):
            while not received.endswith(end.encode()):
                piece = self._serial.recv(4096)
                if not piece:
                    raise EOFError("the guest went away")
                received += piece
        return received.decode(errors="replace")


def reserve(guest: Shell, disk: str = "/dev/sda") -> None:
    """Have a guest register key a1, and take a write exclusive, registrants only reservation."""
    wait_for(lambda: guest.run(f"test -b {disk}").status == 0, f"{disk} in the guest")
    for action in [
        "--register-ignore --param-sark=0xa1",
        "--reserve --param-rk=0xa1 --prout-type=5",
    ]:
        result = guest.run(f"{PERSIST} --out {action} {disk}")
        assert result.status == 0, result.output


class Guest(Shell):
    """A guest that a command line started: its shell, and QEMU's monitor."""

    def __init__(self, serial: socket.socket, monitor: Path, *, boots: bool = True) -> None:
        super().__init__(serial, boots=boots)
        self.monitor = Monitor(monitor)


def boot(command_line: str, initramfs: Path, directory: Path) -> AbstractContextManager[Guest]:
    """Run a guest for the length of a `with`.

    Args:
        command_line: The text of a QEMU command line, as a manual prints it. A POSIX shell runs
            it, unchanged but for the options behind it that boot this guest.
        initramfs: What `build_initramfs` made.
        directory: Where to put the logs of QEMU and of the guest's kernel.
    """
    return booted(lambda: _started(command_line, initramfs, directory))


def await_migration(
    command_line: str, initramfs: Path, directory: Path
) -> AbstractContextManager[Guest]:
    """Run a QEMU that waits for a guest which another one migrates, for the length of a `with`.

    Args:
        command_line: As for `boot`, with ``-incoming``.
        initramfs: As for `boot`.
        directory: As for `boot`.
    """
    return _started(command_line, initramfs, directory, boots=False)


@contextmanager
def booted(start: Callable[[], AbstractContextManager[S]]) -> Iterator[S]:
    """Run a guest for the length of a `with`, started again if it does not boot.

    A guest in an emulated machine has been seen to hang before its kernel said a word, once in
    some hundred times; that is the emulator's fault and nothing that is tested, so it is started
    again, with a line that says so.

    Args:
        start: Starts the guest, and raises TimeoutError if it does not boot.
    """
    with ExitStack() as stack:
        for attempts_left in reversed(range(BOOT_ATTEMPTS)):
            try:
                guest = stack.enter_context(start())
                break
            except TimeoutError:
                if not attempts_left:
                    raise
                print("lab: a guest does not boot; starting it again", flush=True)
        yield guest


@contextmanager
def serial_listener(path: str) -> Iterator[socket.socket]:
    """Listen where QEMU will connect a serial port to."""
    Path(path).unlink(missing_ok=True)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path)
        Path(path).chmod(0o777)
        listener.listen()
        listener.setblocking(False)
        yield listener


@contextmanager
def _started(
    command_line: str, initramfs: Path, directory: Path, *, boots: bool = True
) -> Iterator[Guest]:
    log = directory / "qemu.log"
    with (
        tempfile.TemporaryDirectory() as scratch,
        serial_listener(f"{scratch}/serial") as listener,
    ):
        options = (
            " -enable-kvm -cpu host -m 256 -nodefaults -bios qboot.rom -display none -no-reboot"
            f" -kernel {KERNEL} -initrd {initramfs}"
            f" -append '{KERNEL_OPTIONS}'"
            f" -serial file:{directory}/console.log -serial unix:{scratch}/serial"
            f" -qmp unix:{scratch}/monitor,server=on,wait=off"
        )
        qemu = subprocess.Popen(
            f"exec {command_line.strip()} {options} >{log} 2>&1 </dev/null", shell=True
        )

        def serial_port() -> socket.socket | None:
            if qemu.poll() is not None:
                raise RuntimeError(f"QEMU did not start: {log.read_text()}")
            with suppress(BlockingIOError):
                return listener.accept()[0]
            return None

        try:
            with wait_for(serial_port, "QEMU to start") as serial:
                yield Guest(serial, Path(scratch, "monitor"), boots=boots)
        finally:
            qemu.kill()
            qemu.wait(PATIENCE)  # one whose emulated processor hangs never ends


BootGuest = Callable[[str], AbstractContextManager[Guest]]
"""Boots a guest from the text of a QEMU command line, for the length of a `with`."""


def build_initramfs(directory: Path) -> Path:
    """Build the guest's file system: busybox, sg3_utils, and the modules for a virtio-scsi disk."""
    root = directory / "initramfs"
    for name in ["bin", "dev", "proc", "sys", "modules"]:
        (root / name).mkdir(parents=True)
    shutil.copy("/bin/busybox", root / "bin")
    put_files([*PROGRAMS, *libraries(PROGRAMS)], root)
    for number, module in enumerate(_module_files(MODULES)):
        shutil.copy(module, root / f"modules/{number:02}-{Path(module).name}")
    (root / "init").write_text(INIT)
    (root / "init").chmod(0o755)
    return pack(root, directory / "initramfs.cpio")


def put_files(files: Iterable[str], root: Path) -> None:
    """Copy files to the same places below another root."""
    for file in files:
        (root / file[1:]).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(file, root / file[1:])


def pack(root: Path, image: Path) -> Path:
    """Pack a guest's file system, and add it to those in an image if that exists."""
    subprocess.run(f"find . | busybox cpio -o -H newc >>{image}", shell=True, cwd=root, check=True)
    return image


def libraries(programs: Iterable[str]) -> set[str]:
    """Give the shared libraries that programs, or other libraries, need."""
    output = subprocess.check_output(["ldd", *programs], text=True)
    return {word for word in output.split() if word.startswith("/") and not word.endswith(":")}


def _module_files(modules: Iterable[str]) -> list[str]:
    command = ["modprobe", "--show-depends", "--all", *modules]
    lines = subprocess.check_output(command, text=True).splitlines()
    return list(dict.fromkeys(line.split()[1] for line in lines if line.startswith("insmod")))
