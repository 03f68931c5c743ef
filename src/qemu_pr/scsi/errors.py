"""The one error that bytes which are not what SPC says they are raise."""


class MalformedError(ValueError):
    """Bytes that do not have the format that SPC gives them.

    The text says which field is wrong and what it held.
    """
