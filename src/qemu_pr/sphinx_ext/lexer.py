"""How transcripts are highlighted, which is also how the copy button tells input from output."""

import re
from collections.abc import Iterator
from typing import Any

from pygments.lexers.shell import BashSessionLexer  # type: ignore[import-untyped]

_BARE_CONTINUATION = re.compile(r"^>$", re.MULTILINE)


class ConsoleLexer(BashSessionLexer):  # type: ignore[misc]
    """Pygments' lexer of shell sessions, for here-documents too.

    Pygments takes a line with the prompt ``> `` for output unless a backslash is before it, and
    always if the line is otherwise empty, since reStructuredText drops the blank.
    """

    _bare_continuation = True

    def get_tokens_unprocessed(self, text: str) -> Iterator[tuple[int, Any, str]]:
        """Split a session into tokens."""
        restored = _BARE_CONTINUATION.sub("> ", text)
        yield from super().get_tokens_unprocessed(restored)
