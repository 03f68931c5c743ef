"""The audit log: one line for each PERSISTENT RESERVE OUT, written before its reply is sent."""

from __future__ import annotations

from qemu_pr.helper.audit.log_file import LogFile
from qemu_pr.helper.audit.record import RENDERERS, describe
from qemu_pr.helper.events import NOTICE, journal_prefix
from qemu_pr.scsi.codes import PERSISTENT_RESERVE_OUT

TYPE_CHECKING = False
if TYPE_CHECKING:
    from qemu_pr.helper.carry_out import CarriedOut
    from qemu_pr.helper.events import Events


def start(path: str, format_: str, events: Events) -> None:
    """Audit all commands that are reported from now on.

    Args:
        path: The log, or ``-`` for standard error.
        format_: How to write it: a key of `RENDERERS`.
        events: What reports the commands; told, too, when the log cannot be written.

    Raises:
        StartError: The log cannot be opened.
    """
    log = LogFile(None if path == "-" else path, events)
    render = RENDERERS[format_]
    prefix = journal_prefix(NOTICE) if path == "-" else ""

    def audit(command: CarriedOut) -> None:
        if command.request.cdb[0] == PERSISTENT_RESERVE_OUT:
            log.append(prefix + render(describe(command, log.lost)))

    events.listen("pr_helper_reply", audit)
