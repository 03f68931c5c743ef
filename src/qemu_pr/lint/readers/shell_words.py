"""The words of a command, with what stands for something else in them kept together."""

import re
from collections.abc import Sequence
from itertools import pairwise

from qemu_pr.command_line.errors import UnfinishedError
from qemu_pr.command_line.shell import Mark, Word, tokens

# What stands for something in a manual or a template is one word, and no redirection:
# <path of the socket>, {{ disk }}, {% if x %}, <%= disk %>, [[ disk ]].
_PLACEHOLDER = re.compile(
    r"<[A-Za-z][\w ./-]*>|<%.{0,200}?%>|\[\[.{0,200}?\]\]|\{\{.{0,200}?\}\}|\{%.{0,200}?%\}"
)
_MASK = 0xE000  # of the private use area
_UNMASK = {_MASK + code: chr(code) for code in range(128)}


def masked(text: str) -> str:
    """Give a text of the same length in which a placeholder has no character of the shell's."""
    return _PLACEHOLDER.sub(lambda match: "".join(map(_mask, match[0])), text)


def _mask(character: str) -> str:
    plain = character.isalnum() or not character.isascii()
    return character if plain else chr(_MASK + ord(character))


def words_of(text: str) -> tuple[list[Word], int]:
    """Read the words around the first option, up to the operator that ends the command.

    Args:
        text: The text of a command; a line end is a blank.

    Returns:
        The words, and the line on which a quote stays open; 0 if none does.
    """
    words: list[Word] = []
    ended = 0
    try:
        for token in tokens(masked(text)):
            if isinstance(token, Mark) and token.text == "\n":
                continue
            if isinstance(token, Mark):
                if any(word.text.startswith("-") for word in words):
                    break
                words = []
            else:
                words.append(token)
    except UnfinishedError as error:
        ended = error.line
    return [_as_meant(word, text) for word in words], ended


def _as_meant(word: Word, text: str) -> Word:
    """Give a word as it was meant: ps(1) shows JSON without the quotes of the shell."""
    raw = text[word.start : word.end]
    meant = raw if raw.startswith('{"') else word.text.translate(_UNMASK)
    return Word(meant, word.line, word.expands, word.start, word.end)


# What may stand for options that the text does not show: $ARGS, unless it is an option's value.
_FLAG = re.compile(r"--?(S|s|snapshot|daemonize|nographic|nodefaults|enable-kvm|no-[\w-]+)")
_DOTTED = re.compile(r".*(?:\.\.\.|…)|--?readconfig")
_STANDS_FOR = re.compile(r"\{[{%].*|@\w+@|__\w+__|%%.*|<.*>|%[a-zA-Z]|\[.*\]")

_PROGRAM = re.compile(r"(?:\S*[=/])?(?:qemu(?:-system-\w+|-kvm)?|kvm)|\$\{?\w*(?i:qemu)\w*\}?")


def program_in(words: Sequence[Word]) -> int | None:
    """Find QEMU among words, with options behind it: prose only speaks of it.

    Returns:
        Its index; None if it is not there.
    """
    for index, (word, following) in enumerate(pairwise(words)):
        if _PROGRAM.fullmatch(word.text) and following.text.startswith("-"):
            return index
    return None


def may_have_more(words: Sequence[Word]) -> bool:
    """Tell whether some of the words may stand for options that the text does not show."""
    return any(map(_has_options, [Word(""), *words], words))


def _has_options(before: Word, word: Word) -> bool:
    if _DOTTED.fullmatch(word.text):
        return True
    unknown = word.expands or _STANDS_FOR.fullmatch(word.text)
    value = before.text.startswith("-") and not _FLAG.fullmatch(before.text)
    return bool(unknown) and not value and not word.text.startswith("-")
