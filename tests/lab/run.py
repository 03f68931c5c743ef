"""Run the lab: boot virtual machines with real SCSI disks, and this folder's tests in them.

Needs no privileges: a machine is emulated, sees this computer's files read-only, and has its
disks in its memory. What its tests leave behind is in build/lab.
"""

import argparse
import fcntl
import os
import shlex
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

LAB = Path(__file__).resolve().parent
PROJECT = LAB.parent.parent
BIN = Path(sys.executable).parent
SEARCH = os.pathsep.join([str(BIN), os.environ.get("PATH", ""), "/usr/sbin:/usr/bin:/sbin:/bin"])

# What runs here or in the machine, and the Debian package that has it.
PROGRAMS = {
    "qemu-system-x86_64": "qemu-system-x86",
    "qemu-pr-helper": "qemu-system-common",
    "busybox": "busybox-static",
    "modprobe": "kmod",
    "file": "file",  # virtme-ng asks it for the kernel's version
    "xz": "xz-utils",
    "zstd": "zstd",
    "udevadm": "udev",
    "systemd-analyze": "systemd",
    "sg_persist": "sg3-utils",
    "multipathd": "multipath-tools",
    "dmsetup": "dmsetup",
    "mkfs.ext2": "e2fsprogs",
    "libvirtd": "libvirt-daemon",
    "virsh": "libvirt-clients",
}
KERNEL_PACKAGE = "linux-image-amd64"
TARGET_MODULE = "kernel/drivers/target/loopback/tcm_loop.ko*"

# What keeps the machine with the maps busy as long as the other one.
WITH_MAPS = {
    "test_doctor_maps.py",
    "test_libvirt.py",
    "test_migration_maps.py",
    "test_multipath.py",
    "test_multipathd_configuration.py",
    "test_units.py",
}
# What runs with our helper alone, too: on a host without libmpathpersist.
ALONE = ["test_multipath.py", "--helper=alone"]

# Some need what is built before, two only measure, one needs a machine where no other disk hangs,
# the last takes too long: make lab LAB=tests/lab/test_latency.py
APART = {
    "test_apparmor.py",
    "test_image.py",
    "test_installed_package.py",
    "test_latency.py",
    "test_map_latency.py",
    "test_report.py",
    "test_validate_maps.py",
}

# A machine that does other work too takes five times as long: see waiting.py. Only what hangs for
# good meets this limit.
TEST_SECONDS = 1800

START = "start.sh"

# What unpacks the kernel in a bzImage, by the bytes it begins with.
UNPACK = {b"\xfd7zXZ\0": ("xz", "-dc"), b"\x28\xb5\x2f\xfd": ("zstd", "-dcq")}

# Emulation is slow: most of the time to boot would go into firmware, hardware that nobody needs,
# searching for it, and testing ciphers.
KERNEL_OPTIONS = "mitigations=off pci=noearly cryptomgr.notests"
QEMU_OPTIONS = (
    "-nodefaults -bios qboot.rom -machine q35,sata=off,smbus=off,i8042=off"
    " -cpu max,aes=off,pclmulqdq=off"
    " -fsdev local,id=lab,path=/,security_model=none,readonly=on,multidevs=remap"
    " -device virtio-9p-pci,fsdev=lab,mount_tag=lab"
)


def main() -> int:
    """Run the lab.

    Returns:
        pytest's exit status, or 1 if a machine did not get that far.
    """
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda number, _: sys.exit(128 + number))
    options, pytest_arguments = _parse()
    kernel = newest_kernel()
    remedy = _how_to_install_what_is_missing(kernel)
    if remedy or not kernel:
        return _skip(remedy)
    if pytest_arguments or options.shell:
        return _run_machine(options, pytest_arguments, kernel)
    return _run_machines(options)


def _run_machines(options: argparse.Namespace) -> int:
    """Run all tests, in machines at once: each has work for little more than one processor."""
    tests = sorted({path.name for path in LAB.glob("test_*.py")} - APART)
    machines = {
        "maps": [name for name in tests if name in WITH_MAPS],
        "disks": [name for name in tests if name not in WITH_MAPS],
        "alone": ALONE,
    }
    if options.machine:
        machines = {options.machine: machines[options.machine]}
    begin = time.monotonic()
    running = {}
    try:
        for name, arguments in machines.items():
            command = [sys.executable, __file__, f"--output={options.output / name}"]
            command += [f"--minutes={options.minutes}"]
            command += [one if one.startswith("-") else str(LAB / one) for one in arguments]
            running[name] = subprocess.Popen(
                command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
            )
        printing = [
            threading.Thread(target=_print_with, args=(f"{name:5} | ", machine))
            for name, machine in running.items()
        ]
        for thread in printing:
            thread.start()
        for thread in printing:
            thread.join()
        statuses = {name: machine.wait() for name, machine in running.items()}
    finally:
        for machine in running.values():
            machine.terminate()
    print(f"lab: exit statuses {statuses} after {time.monotonic() - begin:.0f} s")
    return int(any(statuses.values()))


def _print_with(prefix: str, machine: subprocess.Popen[str]) -> None:
    assert machine.stdout is not None
    for line in machine.stdout:
        print(prefix + line, end="", flush=True)


def _run_machine(options: argparse.Namespace, pytest_arguments: list[str], kernel: Path) -> int:
    output = options.output.resolve()
    lock = _claim(output)
    seconds = options.minutes * 60
    image = _unpacked(kernel, output)
    program = ["bash", "-i"] if options.shell else _pytest(output, pytest_arguments)
    inside = [str(LAB / "inside.sh"), str(output), str(seconds + 10), str(image), *program]
    # A script, because the kernel's command line has room for 2,048 characters only.
    (output / START).write_text(f"exec sh {shlex.join(inside)}\n")
    command = [
        *("vng", "--disable-kvm", "--force-9p", "--cpus", "2", "--memory", "2G"),
        *("--run", str(image), f"--append={KERNEL_OPTIONS}", f"--qemu-opts={QEMU_OPTIONS}"),
        *("--cwd", str(PROJECT), f"--rwdir={output}", "--exec", f"sh {output}/{START}"),
    ]
    try:
        with tempfile.TemporaryDirectory(prefix="qemu-pr-lab-") as scratch:
            environment = os.environ | {"PATH": SEARCH, "TMPDIR": scratch, "HOME": scratch}
            if options.shell:
                subprocess.run(command, env=environment)
            else:
                print(f"lab: booting {kernel} in emulation; logs go to {output}", flush=True)
                _run(command, environment, output / "console.log", seconds)
    finally:
        image.unlink(missing_ok=True)
        os.close(lock)
    return _exit_status(output, options.minutes)


def newest_kernel() -> Path | None:
    """Find the newest kernel that can be read and has LIO's loopback target."""
    kernels = [
        Path("/boot", f"vmlinuz-{modules.name}")
        for modules in sorted(Path("/lib/modules").glob("*"), key=_version)
        if any(modules.glob(TARGET_MODULE))
    ]
    return next((kernel for kernel in reversed(kernels) if os.access(kernel, os.R_OK)), None)


def _version(modules: Path) -> list[tuple[int, str]]:
    words = modules.name.replace("-", ".").split(".")
    return [(int(word), "") if word.isdigit() else (-1, word) for word in words]


def _claim(output: Path) -> int:
    """Empty the folder for results, and lock it for as long as the descriptor is open."""
    output.mkdir(parents=True, exist_ok=True)
    directory = os.open(output, os.O_RDONLY)
    try:
        fcntl.flock(directory, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        sys.exit(f"lab: {output}: another lab uses it; name another folder: --output DIR")
    old = list(output.iterdir())
    if old and output / START not in old and not any(output.glob(f"*/{START}")):
        sys.exit(f"lab: {output}: it is not empty and not from a lab; name another: --output DIR")
    (output / START).touch()  # before all else: it tells whose folder this is if the lab is killed
    for entry in old:
        if entry.name != START:
            shutil.rmtree(entry) if entry.is_dir() else entry.unlink()
    return directory


def _unpacked(kernel: Path, directory: Path) -> Path:
    """Copy a kernel and unpack it; where it unpacks itself, emulated, every boot takes 6 s more."""
    copy = directory / "kernel"
    payload = _payload(kernel.read_bytes())
    for magic, program in UNPACK.items():
        if payload.startswith(magic):
            with copy.open("wb") as file:
                subprocess.run(program, input=payload, stdout=file, check=True)
            return copy
    shutil.copyfile(kernel, copy)
    return copy


def _payload(image: bytes) -> bytes:
    """Give the packed kernel in a bzImage: see Documentation/arch/x86/boot.rst of Linux."""
    setup_sectors = image[0x1F1] or 4
    offset, length = struct.unpack_from("<II", image, 0x248)
    start = (setup_sectors + 1) * 512 + offset
    return image[start : start + length - 4]  # its last word is the size when unpacked


def _how_to_install_what_is_missing(kernel: Path | None) -> str:
    packages = [
        package for program, package in PROGRAMS.items() if not shutil.which(program, path=SEARCH)
    ]
    if not kernel:
        packages.append(KERNEL_PACKAGE)
    if packages:
        return f"apt-get install {' '.join(packages)}"
    if not shutil.which("vng", path=SEARCH):
        return f"{BIN}/pip install virtme-ng"
    return ""


def _skip(remedy: str) -> int:
    """Tell what to do, and fail where everything must be there (CI)."""
    required = os.environ.get("QEMU_PR_REQUIRE_ALL") == "1"
    print(f"lab: {'cannot run' if required else 'skipped'}: first do: {remedy}", flush=True)
    return int(required)


def _parse() -> tuple[argparse.Namespace, list[str]]:
    parser = argparse.ArgumentParser(
        description="Run the tests of this folder on real SCSI disks, in a virtual machine.",
        epilog="All other arguments go to pytest, for example: -k guest, --helper=c, -x",
    )
    parser.add_argument(
        "--minutes",
        type=int,
        default=150,
        help="stop everything when it takes longer than this (default: %(default)s)",
    )
    parser.add_argument(
        "--output",
        type=Path,
        default=PROJECT / "build/lab",
        metavar="DIR",
        help="folder for junit.xml and logs, or with all tests for a folder for each machine;"
        " emptied first (default: build/lab)",
    )
    parser.add_argument(
        "--machine",
        choices=("maps", "disks", "alone"),
        help="run one of the machines, with all its tests",
    )
    parser.add_argument(
        "--shell", action="store_true", help="start a shell in the machine instead of pytest"
    )
    return parser.parse_known_args()


def _pytest(output: Path, arguments: list[str]) -> list[str]:
    return [
        *(
            str(BIN / "python"),
            "-m",
            "pytest",
            "-v",
            "-p",
            "no:cacheprovider",
            "-p",
            "pytest_timeout",
        ),
        *("-c", str(PROJECT / "pyproject.toml"), f"--timeout={TEST_SECONDS}", "--tb=short"),
        *(f"--junitxml={output}/junit.xml", f"--rootdir={PROJECT}", *arguments),
        *([] if any(argument.endswith(".py") for argument in arguments) else [str(LAB)]),
    ]


def _run(command: list[str], environment: dict[str, str], console: Path, seconds: int) -> None:
    """Run the machine, and show what its tests print, with the seconds since its start."""
    begin = time.monotonic()
    with console.open("wb") as log:
        machine = subprocess.Popen(
            command,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
            start_new_session=True,
        )
    with _killed_at_the_end(machine), _stopwatch(machine, seconds):
        assert machine.stdout is not None
        for line in machine.stdout:
            is_progress = line.startswith("lab: ") or line.endswith("%]\n")
            elapsed = f"{time.monotonic() - begin:6.1f} s  " if is_progress else ""
            print(elapsed + line, end="", flush=True)


@contextmanager
def _killed_at_the_end(machine: subprocess.Popen[str]) -> Iterator[None]:
    try:
        yield
    finally:
        _kill(machine)
        machine.wait()


@contextmanager
def _stopwatch(machine: subprocess.Popen[str], seconds: int) -> Iterator[None]:
    timer = threading.Timer(seconds, _kill, [machine])
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def _kill(machine: subprocess.Popen[str]) -> None:
    with suppress(ProcessLookupError):
        os.killpg(machine.pid, signal.SIGKILL)


def _exit_status(output: Path, minutes: int) -> int:
    try:
        return int((output / "exit-status").read_text())
    except FileNotFoundError:
        print(
            f"lab: the machine stopped before its tests did, or took longer than {minutes} minutes"
            f" (--minutes); see {output}/console.log",
            file=sys.stderr,
        )
        return 1


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit("lab: interrupted")
