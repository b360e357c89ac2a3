"""Asking each repository (or pipeline) of a source: what answered, what failed, and in which words that is told."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, NamedTuple, TypeVar

from quarterdeck_adapters.ci.api import together
from quarterdeck_lifecycle.errors import AuthFailed, QuarterdeckError, RateLimited

T = TypeVar("T")


class Answers(NamedTuple, Generic[T]):
    """What each repository answered, or its error."""

    good: dict[str, T]
    bad: dict[str, QuarterdeckError]

    @property
    def told(self) -> list[str]:
        """The failures in words."""
        return [f"{slug}: {error.short}" for slug, error in self.bad.items()]


async def ask_each(slugs: Sequence[str], ask: Callable[[str], Awaitable[T]]) -> Answers[T]:
    """Ask all, a few at a time. Raises when none answered, and for what concerns the whole source."""
    good: dict[str, T] = {}
    bad: dict[str, QuarterdeckError] = {}
    for slug, answer in zip(slugs, await together(ask(slug) for slug in slugs), strict=True):
        if isinstance(answer, QuarterdeckError):
            bad[slug] = answer
        elif isinstance(answer, BaseException):
            raise answer
        else:
            good[slug] = answer
    for kind in (AuthFailed, RateLimited):
        for error in bad.values():
            if isinstance(error, kind):
                raise error
    if bad and not good:
        raise next(iter(bad.values()))
    return Answers(good, bad)
