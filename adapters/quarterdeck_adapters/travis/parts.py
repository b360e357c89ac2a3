"""A log in parts: they are numbered, may come late or out of order, and become one when the log is complete. Pure.

https://developer.travis-ci.com/resource/log and https://github.com/travis-ci/travis-logs
"""

from __future__ import annotations

from typing import NamedTuple

from quarterdeck_adapters.ci.values import Json, rows, text, whole


class Body(NamedTuple):
    """The bytes of a log as far as they are without a gap; `final` once its last part is there.

    `missing` is the number of the first part that has not come though a later one has.
    """

    data: bytes
    final: bool
    missing: int | None = None


def body_of(log: Json, *, despite_gap: bool = False) -> Body:
    """The body of a log. With `despite_gap` what comes after a missing part is taken, too."""
    parts = {number: part for part in rows(log, "log_parts") if (number := whole(part.get("number"))) is not None}
    if not parts:
        return Body(text(log.get("content")).encode("utf-8", "replace"), False)
    taken: list[str] = []
    expected, final = 0, False
    missing: int | None = None
    for number in sorted(parts):
        if number != expected and missing is None:
            missing = expected
            if not despite_gap:
                break
        taken.append(text(parts[number].get("content")))
        final = final or parts[number].get("final") is True
        expected = number + 1
    return Body("".join(taken).encode("utf-8", "replace"), final, missing)
