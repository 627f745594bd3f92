"""A fork server without forks that a `with` block closes."""

from typing import Self

from tests.tuning.in_this_process import InThisProcess


class Server(InThisProcess):
    """Stands for `ForkServer`."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
