"""The one error of this package: a key, a WWID or a text that multipath.conf cannot have."""


class MultipathConfError(ValueError):
    """Something has no place in multipath.conf, or no WWID can be told.

    Its text is one line: ``what: why``, then ``; advice`` where there is some.
    """

    def __init__(self, what: str, why: str, advice: str = "") -> None:
        super().__init__(f"{what}: {why}" + (f"; {advice}" if advice else ""))
        self.what = what
        self.why = why
        self.advice = advice
