"""How QEMU is told to go on as another user once it has opened its files; before 9.1 and since."""

import subprocess


def options_to_become(user: str, qemu: str = "qemu-system-x86_64") -> list[str]:
    """Give the options of the QEMU that is installed."""
    known = subprocess.run([qemu, "--help"], capture_output=True, text=True, check=True).stdout
    return ["-runas", user] if "-runas " in known else ["-run-with", f"user={user}"]
