"""The daemon: it carries out persistent reservation commands for QEMU, with few privileges."""


class StartError(Exception):
    """The helper cannot start; the text says what is wrong and what to do about it."""
