"""Values that are compared by what they hold, without dataclasses.

dataclasses imports inspect, and that ast, dis and tokenize: some 10,000 lines of code which whoever
audits the privileged helper would have to pass.
"""


class Value:
    """Equal to another of its class that has the same attributes. They are not to be changed."""

    __slots__: tuple[str, ...] = ()

    def _attributes(self) -> tuple[object, ...]:
        return tuple(getattr(self, name) for name in self.__slots__)

    def __eq__(self, other: object) -> bool:
        if isinstance(other, Value) and type(other) is type(self):
            return self._attributes() == other._attributes()
        return NotImplemented

    def __hash__(self) -> int:
        return hash(self._attributes())

    def __repr__(self) -> str:
        pairs = zip(self.__slots__, self._attributes(), strict=True)
        return f"{type(self).__name__}({', '.join(f'{name}={value!r}' for name, value in pairs)})"
