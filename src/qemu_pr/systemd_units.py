"""The systemd units of the helper: a socket for QEMU, and a service that may do little else."""

import os
import re
from collections.abc import Iterable
from dataclasses import dataclass

SOCKET_UNIT = "qemu-pr-helper.socket"
SERVICE_UNIT = "qemu-pr-helper.service"

_SOCKET = """\
[Unit]
Description=Socket for SCSI persistent reservations of QEMU guests
Documentation=man:qemu-pr-helper(8)

[Socket]
ListenStream={socket}
{access}
RemoveOnStop=yes

[Install]
WantedBy=sockets.target
"""

_SERVICE = """\
[Unit]
Description=SCSI persistent reservations for QEMU guests
Documentation=man:qemu-pr-helper(8)
Requires=qemu-pr-helper.socket
After=qemu-pr-helper.socket multipathd.service

[Service]
# It says when it serves, so a start that fails is told by systemctl.
Type=notify
ExecStart={command}
Restart=on-failure
# The helper tells its own processes when to stop, and commands in flight are finished first.
KillMode=mixed

# Commands to disks take CAP_SYS_RAWIO, and asking the kernel for the paths of a multipath map takes
# CAP_SYS_ADMIN. The process that talks to guests keeps the first one only. User root, because
# multipathd tells nobody else its keys.
CapabilityBoundingSet=CAP_SYS_RAWIO CAP_SYS_ADMIN
NoNewPrivileges=yes

# QEMU passes its disks on open. The helper opens none but the paths of multipath maps.
DevicePolicy=closed
DeviceAllow=/dev/mapper/control rw
DeviceAllow=block-device-mapper rw
DeviceAllow=block-sd rw

# multipathd, and nobody else. {network_reason}
PrivateNetwork={private_network}
RestrictAddressFamilies=AF_UNIX
IPAddressDeny=any

ProtectSystem=strict
{writable}ProtectHome=yes
PrivateTmp=yes
PrivateMounts=yes
PrivateIPC=yes
{processes}
ProtectClock=yes
ProtectControlGroups=yes
ProtectHostname=yes
ProtectKernelLogs=yes
ProtectKernelModules=yes
ProtectKernelTunables=yes
KeyringMode=private
LockPersonality=yes
MemoryDenyWriteExecute=yes
RestrictNamespaces=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
UMask=0077

# The calls of the last line give privileges up.
SystemCallArchitectures=native
SystemCallErrorNumber=EPERM
SystemCallFilter=@system-service
SystemCallFilter=~@privileged @resources
SystemCallFilter=capset setgroups setresgid setresuid
"""

_NETWORK_REASON = {
    True: "Its socket is a file, so no network is needed.",
    False: "Its socket is an abstract one, which\n"
    "# belongs to the host's network: from multipath-tools 0.12.0 on, write yes here.",
}

_WRITABLE = """\
# It replaces or appends to its files in these directories. They must be there.
ReadWritePaths={directories}
"""

_PROCESSES = {
    True: "# The audit log names the program and the unit of other users' processes.\n"
    "ProtectProc=default",
    False: "ProtectProc=invisible",
}

JOURNAL = "journal"
"""The audit log that goes to systemd's journal."""

# What ProtectHome= and PrivateTmp= put out of sight.
_HIDDEN = re.compile(r"/(home|root|run/user|tmp|var/tmp)(/|\Z)")


@dataclass(frozen=True, slots=True)
class Units:
    """What the units are to say.

    Attributes:
        program: The absolute path of qemu-pr-helper.
        socket: The absolute path of the socket.
        group: The group that may connect; None for root alone.
        private_network: Whether the service gets a network namespace of its own, in which it cannot
            reach an abstract socket of multipathd.
        audit: The absolute path of the audit log, or `JOURNAL`; None for no log.
        metrics: The absolute path of the file for Prometheus; None for none.
        allowed_users: The users who may connect; all that the socket lets in, if there are none.
    """

    program: str
    socket: str
    group: str | None = None
    private_network: bool = False
    audit: str | None = None
    metrics: str | None = None
    allowed_users: tuple[str, ...] = ()

    @property
    def files(self) -> list[str]:
        """The files that the service writes."""
        return [path for path in (self.audit, self.metrics) if path not in (None, JOURNAL)]

    @property
    def command(self) -> list[str]:
        """The command line of the service."""
        audit = "-" if self.audit == JOURNAL else self.audit
        options = [("--audit", audit), ("--metrics", self.metrics)]
        options += [("--allow-user", user) for user in self.allowed_users]
        given = [word for name, value in options if value is not None for word in (name, value)]
        return [self.program, *given]


def render(units: Units) -> dict[str, str]:
    """Give the text of each unit, by its name."""
    access = (
        "SocketMode=0600" if units.group is None else f"SocketGroup={units.group}\nSocketMode=0660"
    )
    return {
        SOCKET_UNIT: _SOCKET.format(socket=_escape(units.socket), access=access),
        SERVICE_UNIT: _SERVICE.format(
            command=" ".join(map(_quote, units.command)),
            processes=_PROCESSES[units.audit is not None],
            writable=_writable(units.files),
            private_network="yes" if units.private_network else "no",
            network_reason=_NETWORK_REASON[units.private_network],
        ),
    }


def hidden_by_units(paths: Iterable[str]) -> list[str]:
    """Pick the paths that the service does not see."""
    return [path for path in paths if _HIDDEN.match(path)]


def _escape(path: str) -> str:
    """Write a path for systemd, which expands what begins with a percent sign."""
    return path.replace("%", "%%")


def _writable(files: Iterable[str]) -> str:
    directories = dict.fromkeys(map(os.path.dirname, files))
    words = " ".join(_quote(one, variables=False) for one in directories)
    return _WRITABLE.format(directories=words) if words else ""


def _quote(text: str, *, variables: bool = True) -> str:
    """Write one word of ExecStart=, or of a list of paths, in which there are no variables."""
    escaped = _escape(text).replace("\\", "\\\\").replace('"', '\\"')
    if variables:
        escaped = escaped.replace("$", "$$")
    return escaped if re.fullmatch(r"[\w/.,:@%+=-]+", text) else f'"{escaped}"'
