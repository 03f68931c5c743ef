"""The schema of reports, and a reader of as much of JSON Schema as it uses.

The standard library has none. The tests compare this one with the package jsonschema. Fifty reports
have millions of values, so a schema becomes a table by the type of the value, as `json` gives it.
"""

import json
import re
from collections.abc import Callable, Mapping
from functools import cache
from importlib.resources import files
from typing import Any

_Check = Callable[[Any], str]
"""Says what is wrong with a value, after the place where it is; empty if nothing is."""

_Given = Mapping[str, Any]

_TYPES = {
    "null": type(None),
    "boolean": bool,
    "integer": int,
    "string": str,
    "array": list,
    "object": dict,
}
_EXPLAINS = frozenset({"$schema", "$defs", "title", "description", "type"})


class _Checks(dict[type, _Check | None]):
    """What to check of a value of a type; None if all are well. Other types are wrong."""

    def __init__(self, wanted: str, checks: Mapping[type, _Check | None]) -> None:
        super().__init__(checks)
        self._wanted = wanted

    def __missing__(self, _type: type) -> _Check:
        return lambda _value: f": it is no {self._wanted}"


@cache
def schema() -> dict[str, Any]:
    """Give the schema of a report."""
    text = files("qemu_pr.fleet").joinpath("report.schema.json").read_text()
    loaded: dict[str, Any] = json.loads(text)
    return loaded


@cache
def _of_reports() -> _Checks:
    return _compile(schema(), schema()["$defs"])


def fault(value: Any) -> str:
    """Say why something is no report; empty if it is one.

    Args:
        value: What `json.loads` gave.
    """
    check = _of_reports()[type(value)]
    return check(value) if check else ""


def _compile(given: _Given, definitions: _Given) -> _Checks:
    if "$ref" in given:
        return _compile(definitions[given["$ref"].removeprefix("#/$defs/")], definitions)
    types = given.get("type", [*_TYPES])
    types = [types] if isinstance(types, str) else types
    keywords = given.keys() - _EXPLAINS
    checks: dict[type, _Check | None] = {_TYPES[one]: None for one in types}
    for known, kind, make in _MAKERS:
        if not keywords.isdisjoint(known):
            keywords -= known
            check = make(given, definitions)
            checks |= {one: check for one in checks if kind in (one, None)}
    assert not keywords, f"unknown to this reader: {keywords}"
    return _Checks(" or ".join(types), checks)


def _object(given: _Given, definitions: _Given) -> _Check:
    properties = [(name, _compile(one, definitions)) for name, one in given["properties"].items()]
    required = given.get("required", ())

    def check(value: dict[str, Any]) -> str:
        for name in required:
            if name not in value:
                return f": it has no {name}"
        for name, checks in properties:
            if name in value:
                inner = checks[type(value[name])]
                if inner is not None and (found := inner(value[name])):
                    return f".{name}{found}"
        return ""

    return check


def _array(given: _Given, definitions: _Given) -> _Check:
    checks = _compile(given["items"], definitions)
    most = given.get("maxItems", float("inf"))

    def check(value: list[Any]) -> str:
        if len(value) > most:
            return f": it has more than {most} items"
        for number, item in enumerate(value):
            inner = checks[type(item)]
            if inner is not None and (found := inner(item)):
                return f"[{number}]{found}"
        return ""

    return check


def _string(given: _Given, _definitions: _Given) -> _Check:
    most = given.get("maxLength", float("inf"))
    pattern = given.get("pattern")
    matches = re.compile(pattern).search if pattern else None

    def check(value: str) -> str:
        if len(value) > most:
            return f": it has more than {most} characters"
        return f": it is not like {pattern}" if matches and not matches(value) else ""

    return check


def _integer(given: _Given, _definitions: _Given) -> _Check:
    least, most = given["minimum"], given["maximum"]
    return lambda value: "" if least <= value <= most else ": out of range"


def _enum(given: _Given, _definitions: _Given) -> _Check:
    known = {(type(one), one) for one in given["enum"]}
    wrong = f": it is not {' or '.join(map(str, given['enum']))}"

    def check(value: Any) -> str:
        is_known = not isinstance(value, list | dict) and (type(value), value) in known
        return "" if is_known else wrong

    return check


_MAKERS: tuple[tuple[set[str], type | None, Callable[[_Given, _Given], _Check]], ...] = (
    ({"properties", "required"}, dict, _object),
    ({"items", "maxItems"}, list, _array),
    ({"maxLength", "pattern"}, str, _string),
    ({"minimum", "maximum"}, int, _integer),
    ({"enum"}, None, _enum),
)
"""Keywords, the type of values that they are about (None: all), and what makes a check of them."""
