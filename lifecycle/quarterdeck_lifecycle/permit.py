"""Permission to write, carried to the transport.

Every adapter's transport asks `require(source, call)` before anything that is not on its declared list of reads.
Without a permit for that very source, held by the operation in progress, it raises: a wrong key in a screen, a bug
in an adapter or a redirect cannot write.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from quarterdeck_lifecycle.errors import Refused

_held: ContextVar[frozenset[str]] = ContextVar("quarterdeck_permit", default=frozenset())


@contextmanager
def permit(source: str) -> Iterator[None]:
    """Hold the permit to write to `source` inside this block, in this task and in the threads it bridges to."""
    token = _held.set(_held.get() | {source})
    try:
        yield
    finally:
        _held.reset(token)


def require(source: str, call: str) -> None:
    """Raise Refused unless a permit for `source` is held; `call` names what was about to be sent."""
    if source not in _held.get():
        raise Refused(
            f"{call} was not sent", source=source, why="it would write, and no permitted operation is in progress"
        )
