"""The one error of this package: a command line that cannot be, or cannot be understood."""


class CommandLineError(ValueError):
    """QEMU or the shell would not take this command line, or would take it for something else.

    Its text is one line: ``what: why``, then ``; remedy`` where there is one.
    """

    def __init__(self, what: str, why: str, remedy: str = "") -> None:
        super().__init__(f"{what}: {why}" + (f"; {remedy}" if remedy else ""))
