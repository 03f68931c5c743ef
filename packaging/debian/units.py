"""Write the units as Debian has them: ``python3 packaging/debian/units.py debian/qemu-pr.``."""

import sys

from qemu_pr.systemd_units import Units, render

HERE = Units("/usr/sbin/qemu-pr-helper", "/run/qemu-pr-helper.sock", group="kvm")

for name, text in render(HERE).items():
    with open(sys.argv[1] + name, "w") as file:
        file.write(text)
