"""The operation codes of the two commands (SPC-4, 6.15 and 6.16)."""

PERSISTENT_RESERVE_IN = 0x5E
PERSISTENT_RESERVE_OUT = 0x5F
