"""How transcripts are highlighted, which is also how the copy button tells input from output."""

import re
from collections.abc import Iterator
from typing import Any, ClassVar

from pygments.lexer import inherit  # type: ignore[import-untyped]
from pygments.lexers.shell import BashLexer, BashSessionLexer  # type: ignore[import-untyped]
from pygments.token import Name  # type: ignore[import-untyped]

_BARE_CONTINUATION = re.compile(r"^>$", re.MULTILINE)


def with_blanks(text: str) -> str:
    """Give prompts of otherwise empty lines their blank back, as the rendered page has them."""
    return _BARE_CONTINUATION.sub("> ", text)


class ShellLexer(BashLexer):  # type: ignore[misc]
    """Pygments' lexer of shell text, which shows options as well: they are most of what is here."""

    name = "Shell with options"
    aliases: ClassVar[list[str]] = []
    filenames: ClassVar[list[str]] = []
    tokens: ClassVar = {"root": [(r"(?<!\S)--?[A-Za-z][\w-]*", Name.Tag), inherit]}


class ConsoleLexer(BashSessionLexer):  # type: ignore[misc]
    """Pygments' lexer of shell sessions, for here-documents too.

    Pygments takes a line with the prompt ``> `` for output unless a backslash is before it, and
    always if the line is otherwise empty, since reStructuredText drops the blank.
    """

    _innerLexerCls = ShellLexer  # noqa: N815
    _bare_continuation = True

    def get_tokens_unprocessed(self, text: str) -> Iterator[tuple[int, Any, str]]:
        """Split a session into tokens."""
        yield from super().get_tokens_unprocessed(with_blanks(text))
