"""Codes as plain numbers, for what the helper loads; enum takes a third of Python's start."""

# The operation codes of the two commands (SPC-4, 6.15 and 6.16).
PERSISTENT_RESERVE_IN = 0x5E
PERSISTENT_RESERVE_OUT = 0x5F

# The status codes (SAM-5, 5.3.1); `qemu_pr.scsi.status.Status` gives them as an enumeration.
GOOD = 0x00
CHECK_CONDITION = 0x02
CONDITION_MET = 0x04
BUSY = 0x08
RESERVATION_CONFLICT = 0x18
TASK_SET_FULL = 0x28
ACA_ACTIVE = 0x30
TASK_ABORTED = 0x40
