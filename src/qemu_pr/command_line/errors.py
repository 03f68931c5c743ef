"""The errors of this package: a command line that cannot be, or cannot be understood."""


class CommandLineError(ValueError):
    """QEMU or the shell would not take this command line, or would take it for something else.

    Its text is one line: ``what: why``, then ``; remedy`` where there is one.

    Attributes:
        what: What is wrong.
        why: Why it is.
        remedy: What to do about it; may be empty.
    """

    def __init__(self, what: str, why: str, remedy: str = "") -> None:
        super().__init__(f"{what}: {why}" + (f"; {remedy}" if remedy else ""))
        self.what = what
        self.why = why
        self.remedy = remedy


class UnfinishedError(CommandLineError):
    """A text for a shell ends within a word.

    Attributes:
        line: The line on which what stays open begins, counted from 1.
        is_quote: Whether it is a quote.
    """

    def __init__(self, line: int, why: str, *, is_quote: bool) -> None:
        super().__init__(f"line {line}", why)
        self.line = line
        self.is_quote = is_quote
