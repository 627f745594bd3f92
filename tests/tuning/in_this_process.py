"""A fork server without forks: torch is imported here anyway."""

from collections import deque
from collections.abc import Callable, Mapping
from typing import Any, Self


class InThisProcess:
    """Stands for `ForkServer`."""

    def start(
        self, factory: Callable[..., Any], *arguments: Any, environment: Mapping[str, str] | None = None
    ) -> "Object":
        assert not environment
        return Object(factory(*arguments))

    def call(self, function: Callable[..., Any], *arguments: Any) -> Any:
        return function(*arguments)

    def close(self) -> None:
        """Nothing is left to end."""


class Object:
    """Stands for `Fork`: calls are made at once, and their results wait."""

    def __init__(self, made: Any) -> None:
        self._made, self._results = made, deque[Any]()

    def begin(self, function: Callable[..., Any], *arguments: Any) -> None:
        self._results.append(function(self._made, *arguments))

    def result(self) -> Any:
        return self._results.popleft()

    def call(self, function: Callable[..., Any], *arguments: Any) -> Any:
        self.begin(function, *arguments)
        return self.result()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Nothing is left to end."""
