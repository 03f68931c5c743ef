"""Values with named fields, where dataclasses would take longer than the program that needs them.

dataclasses imports inspect, and compiles six methods for each class: for a program that asks a disk
one question, as much time as all else that it does.
"""

from qemu_pr.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Self, dataclass_transform
else:

    def dataclass_transform(**_how):
        """Do nothing: it is for type checkers."""
        return lambda cls: cls


@dataclass_transform(frozen_default=True)
class Record(Value):
    """A value whose fields are the annotations of its class, as those of a frozen dataclass are.

    ``__post_init__`` may check them. Records are not to be changed; `but` gives another one.
    """

    __match_args__: tuple[str, ...] = ()

    _beside: tuple[str, ...] = ()

    def __init_subclass__(cls, beside: tuple[str, ...] = ()) -> None:
        """Write the constructor.

        Args:
            beside: Fields in which values may differ that are equal.
        """
        names = tuple(cls.__annotations__)
        arguments = ", ".join(
            f"{name}=_defaults[{name!r}]" if name in cls.__dict__ else name for name in names
        )
        body = "".join(f"\n    _fields[{name!r}] = {name}" for name in names)
        scope: dict[str, Any] = {"_defaults": dict(cls.__dict__)}
        head = f"def __init__(self, {arguments}):\n    _fields = self.__dict__"
        exec(f"{head}{body}\n    self.__post_init__()", scope)
        constructor = scope["__init__"]
        constructor.__annotations__ = dict(cls.__annotations__)
        cls.__match_args__ = names  # type: ignore[misc]
        cls.__init__ = constructor  # type: ignore[method-assign]
        cls._beside = beside

    def __post_init__(self) -> None:
        """Check the fields; here there is nothing to check."""

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"{type(self).__name__}.{name} is not to be changed")

    def but(self, **changes: object) -> "Self":
        """Give the same with other values in some fields."""
        return type(self)(**{**self.__dict__, **changes})

    def _attributes(self) -> tuple[object, ...]:
        fields = self.__dict__
        if not self._beside:
            return tuple(fields.values())
        return tuple(fields[name] for name in fields if name not in self._beside)

    def __repr__(self) -> str:
        fields = ", ".join(f"{name}={value!r}" for name, value in self.__dict__.items())
        return f"{type(self).__name__}({fields})"
