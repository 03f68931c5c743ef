"""The schema of reports, and a reader of as much of JSON Schema as it uses.

The standard library has none. The tests compare this one with the package jsonschema.
"""

import json
import re
from collections.abc import Callable, Mapping
from functools import cache
from importlib.resources import files
from typing import Any

_Check = Callable[[Any], str]
"""Says what is wrong with a value, after the place where it is; empty if nothing is."""

_KEYWORDS = frozenset({"$schema", "$defs", "$ref", "title", "description", "type", "required"}) | {
    "properties",
    "items",
    "maxItems",
    "minimum",
    "maximum",
    "maxLength",
    "pattern",
    "enum",
}
_TYPES: dict[str, Callable[[Any], bool]] = {
    "null": lambda value: value is None,
    "boolean": lambda value: isinstance(value, bool),
    "integer": lambda value: isinstance(value, int) and not isinstance(value, bool),
    "string": lambda value: isinstance(value, str),
    "array": lambda value: isinstance(value, list),
    "object": lambda value: isinstance(value, dict),
}


@cache
def schema() -> dict[str, Any]:
    """Give the schema of a report."""
    text = files("qemu_pr.fleet").joinpath("report.schema.json").read_text()
    loaded: dict[str, Any] = json.loads(text)
    return loaded


@cache
def _report_check() -> _Check:
    return _compile(schema(), schema().get("$defs", {}))


def fault(value: Any) -> str:
    """Say why something is no report; empty if it is one.

    Args:
        value: What `json.loads` gave.
    """
    return _report_check()(value)


def _compile(given: Mapping[str, Any], definitions: Mapping[str, Any]) -> _Check:
    """Make a function of a schema: reports have hundreds of thousands of values."""
    if "$ref" in given:
        return _compile(definitions[given["$ref"].removeprefix("#/$defs/")], definitions)
    assert _KEYWORDS.issuperset(given), f"unknown to this reader: {set(given) - _KEYWORDS}"
    types = given.get("type", [*_TYPES])
    types = [types] if isinstance(types, str) else types
    is_type = [_TYPES[one] for one in types]
    wanted = " or ".join(types)
    details = [
        make(given, definitions) for keywords, make in _DETAILS if not keywords.isdisjoint(given)
    ]

    def check(value: Any) -> str:
        for one in is_type:
            if one(value):
                break
        else:
            return f": it is no {wanted}"
        for detail in details:
            if found := detail(value):
                return found
        return ""

    return check


def _object(given: Mapping[str, Any], definitions: Mapping[str, Any]) -> _Check:
    properties = [
        (name, _compile(one, definitions)) for name, one in given.get("properties", {}).items()
    ]
    required = given.get("required", ())

    def check(value: Any) -> str:
        if isinstance(value, dict):
            for name in required:
                if name not in value:
                    return f": it has no {name}"
            for name, check_property in properties:
                if name in value and (found := check_property(value[name])):
                    return f".{name}{found}"
        return ""

    return check


def _array(given: Mapping[str, Any], definitions: Mapping[str, Any]) -> _Check:
    check_item = _compile(given.get("items", {}), definitions)
    most = given.get("maxItems", float("inf"))

    def check(value: Any) -> str:
        if isinstance(value, list):
            if len(value) > most:
                return f": it has more than {most} items"
            for number, item in enumerate(value):
                if found := check_item(item):
                    return f"[{number}]{found}"
        return ""

    return check


def _string(given: Mapping[str, Any], _definitions: Mapping[str, Any]) -> _Check:
    most = given.get("maxLength", float("inf"))
    matches = re.compile(given.get("pattern", "")).search

    def check(value: Any) -> str:
        if isinstance(value, str):
            if len(value) > most:
                return f": it has more than {most} characters"
            if not matches(value):
                return f": it is not like {given['pattern']}"
        return ""

    return check


def _integer(given: Mapping[str, Any], _definitions: Mapping[str, Any]) -> _Check:
    least, most = given.get("minimum", float("-inf")), given.get("maximum", float("inf"))

    def check(value: Any) -> str:
        return "" if not isinstance(value, int) or least <= value <= most else ": out of range"

    return check


def _enum(given: Mapping[str, Any], _definitions: Mapping[str, Any]) -> _Check:
    known = given["enum"]
    texts = " or ".join(map(str, known))

    def check(value: Any) -> str:
        is_known = any(type(one) is type(value) and one == value for one in known)
        return "" if is_known else f": it is not {texts}"

    return check


_DETAILS: tuple[
    tuple[frozenset[str], Callable[[Mapping[str, Any], Mapping[str, Any]], _Check]], ...
]
_DETAILS = (
    (frozenset({"properties", "required"}), _object),
    (frozenset({"items", "maxItems"}), _array),
    (frozenset({"maxLength", "pattern"}), _string),
    (frozenset({"minimum", "maximum"}), _integer),
    (frozenset({"enum"}), _enum),
)
