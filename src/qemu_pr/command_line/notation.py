"""QEMU's two notations for an option's properties: key=value with doubled commas, and JSON."""

import os
import re
from collections.abc import Iterator, Mapping
from typing import Any

from qemu_pr.command_line.errors import CommandLineError
from qemu_pr.record import Record

Properties = Mapping[str, Any]  # str, bool, or properties again


class Option(Record):
    """How one of QEMU's options takes its properties (measured with QEMU 7.2).

    Attributes:
        implied: The key of a first value that has none, as in ``-device scsi-block``.
        bare: A key without a value means ``on``, and with ``no`` before it ``off``.
        json: The option takes a JSON object as well.
    """

    implied: str | None
    bare: bool
    json: bool


OPTIONS = {
    "object": Option(implied="qom-type", bare=False, json=True),
    "blockdev": Option(implied="driver", bare=False, json=True),
    "drive": Option(implied=None, bare=True, json=False),
    "device": Option(implied="driver", bare=True, json=True),
}

_SWITCH = {True: "on", False: "off"}
_ITEM = re.compile(r"((?:[^,]|,,)*)(?:,|\Z)")  # a doubled comma is none; the leftmost pair first


def to_keyval(option: str, properties: Properties) -> str:
    """Write properties as ``key=value,…``, keys of nested ones joined with a dot.

    Args:
        option: The option that the text is for, a key of `OPTIONS`.
        properties: The properties in the order wanted; the implied key, if first, is left out.
    """
    items = [
        (key, value.replace(",", ",,")) for key, value in _flatten(properties) if value is not None
    ]
    first, *rest = items
    start = first[1] if first[0] == OPTIONS[option].implied else "=".join(first)
    return ",".join([start, *map("=".join, rest)])


def to_json(properties: Properties) -> str:
    """Write properties as a JSON object, all in ASCII.

    Raises:
        CommandLineError: A value is no UTF-8 text, or holds a character that QEMU's JSON refuses.
    """
    import json

    return json.dumps(_as_text(properties), separators=(",", ":"))


def read(option: str, text: str) -> dict[str, str]:
    """Read an option's properties from either notation, as QEMU would.

    Args:
        option: The option's name without dashes, a key of `OPTIONS`.
        text: The word after the option.

    Returns:
        Values by key, keys of nested ones joined with a dot; of a key given twice the last.
        JSON's true and false are ``on`` and ``off``.

    Raises:
        CommandLineError: The text has neither notation.
    """
    if OPTIONS[option].json and text.startswith("{"):
        return from_json(read_json(text))
    return dict(_read_keyval(option, text))


def change(option: str, text: str, key: str, new_key: str | None, value: str = "") -> str:
    """Change one property in an option's text, and leave the rest as it is written.

    Args:
        option: The option's name without dashes, a key of `OPTIONS`.
        text: The word after the option, which `read` takes.
        key: The property's key, dotted if it is nested.
        new_key: The key to put in its place; None removes the property. A property that is not
            there is added at the end.
        value: The value of the new key.

    Returns:
        The word in the same notation.
    """
    if OPTIONS[option].json and text.startswith("{"):
        return _change_json(read_json(text), key, new_key, value)
    rules, found = OPTIONS[option], False
    changed = []
    for number, item in _items(text):
        if _read_item(rules, number, item)[0] != key:
            changed.append(item)
            continue
        found = True
        if new_key == rules.implied and not item.startswith(f"{key}="):
            changed.append(value.replace(",", ",,"))
        elif new_key is not None:
            changed.append(_item(new_key, value))
    if not found and new_key is not None:
        changed.append(_item(new_key, value))
    return ",".join(changed)


def _item(key: str, value: str) -> str:
    return f"{key}={value.replace(',', ',,')}"


def _flatten(properties: Properties, prefix: str = "") -> Iterator[tuple[str, str | None]]:
    for key, value in properties.items():
        if isinstance(value, list):
            value = {str(index): element for index, element in enumerate(value)}
        if isinstance(value, Mapping):
            yield from _flatten(value, f"{prefix}{key}.")
        elif isinstance(value, bool):
            yield prefix + key, _SWITCH[value]
        else:
            yield prefix + key, None if value is None else str(value)


def _as_text(value: Any) -> Any:
    # JSON is UTF-8 whatever the locale, so what counts is the bytes that the kernel will see.
    if isinstance(value, Mapping):
        return {key: _as_text(element) for key, element in value.items()}
    if not isinstance(value, str):
        return value
    try:
        text = os.fsencode(value).decode()
    except UnicodeError:
        why = "not UTF-8, and JSON has nothing else"
    else:
        if not any(map(_is_noncharacter, map(ord, text))):
            return text
        why = "QEMU's JSON refuses Unicode noncharacters"
    raise CommandLineError(repr(value), why, "use a symbolic link, or key=value: --syntax blockdev")


def _is_noncharacter(code: int) -> bool:
    return 0xFDD0 <= code <= 0xFDEF or code & 0xFFFE == 0xFFFE


def read_json(text: str) -> Any:
    """Read one JSON value, nested as it is.

    Raises:
        CommandLineError: The text is no JSON.
    """
    import json

    try:
        return json.loads(os.fsencode(text).decode())
    except (ValueError, RecursionError) as error:
        raise CommandLineError("value", f"not JSON: {error}") from None


def from_json(properties: Any) -> dict[str, str]:
    """Give the properties of a JSON object in the form that `read` gives.

    Raises:
        CommandLineError: It is no JSON object, or a text in it is half of a surrogate pair.
    """
    if not isinstance(properties, Mapping):
        raise CommandLineError("value", "no JSON object")
    try:
        return {
            key: os.fsdecode(value.encode())
            for key, value in _flatten(properties)
            if value is not None
        }
    except (ValueError, RecursionError) as error:
        raise CommandLineError("value", f"not JSON: {error}") from None


def _change_json(properties: Any, key: str, new_key: str | None, value: str) -> str:
    def apart(properties: Any, dotted: str) -> tuple[Any, str]:
        outer, dot, rest = dotted.partition(".")
        if not dot:
            return properties, dotted
        inside = properties.setdefault(outer, {})
        # A value where others would be nested: it stays, and they stand beside it.
        return apart(inside, rest) if isinstance(inside, dict) else (properties, dotted)

    inside, last = apart(properties, key)
    inside.pop(last, None)
    if new_key is not None:
        inside, last = apart(properties, new_key)
        inside[last] = value
    return to_json(properties)


def _items(text: str) -> list[tuple[int, str]]:
    items = _ITEM.findall(text)
    while items and not items[-1]:
        items.pop()  # what findall sees at the end; QEMU takes a comma there as well
    return list(enumerate(items))


def _read_keyval(option: str, text: str) -> Iterator[tuple[str, str]]:
    rules = OPTIONS[option]
    for number, item in _items(text):
        yield _read_item(rules, number, item)


def _read_item(rules: Option, number: int, item: str) -> tuple[str, str]:
    key, equals, value = item.partition("=")
    if equals and key and "," not in key:
        return key, value.replace(",,", ",")
    if number == 0 and rules.implied and item:
        return rules.implied, item.replace(",,", ",")
    if rules.bare and not equals and key and "," not in key:
        return (key.removeprefix("no"), "off") if key.startswith("no") else (key, "on")
    raise CommandLineError(
        f"{item!r}", "no key=value", "a comma that belongs to a value is written twice"
    )
