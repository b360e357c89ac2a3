"""How often to ask: quick while something is in flight, slow at rest, and never more than our share. Pure.

https://docs.github.com/en/rest/using-the-rest-api/best-practices-for-using-the-rest-api
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from quarterdeck_lifecycle.ports import Budget
from quarterdeck_lifecycle.records import Record, Status

QUICK_S, WAITING_S, LATELY_S, REST_S = 5.0, 15.0, 30.0, 60.0
FRESH_S = 600.0
SHARE = 0.25
HOUR_S = 3600.0


def wanted(kind: str, rows: Sequence[Record], now: float) -> float:
    """Seconds to the next poll by what the rows do, before any limit. `now` is epoch seconds."""
    moving = any(row.status in (Status.RUNNING, Status.QUEUED) for row in rows)
    if moving:
        return QUICK_S if kind == "run" else WAITING_S
    if kind == "run" and any(row.status is Status.WAITING for row in rows):
        return WAITING_S
    newest = max((row.updated_at for row in rows if row.updated_at is not None), default=0.0)
    return LATELY_S if now - newest < FRESH_S else REST_S


def allowance(budget: Budget, spent: int, share: float | None) -> float:
    """Requests that may still be sent in this window: our share of what was left, less what we `spent` of it."""
    return max(0.0, (budget.remaining + spent) * (SHARE if share is None else share) - spent)


def stretched(
    pause: float,
    costs: Mapping[str, float],
    budget: Budget | None,
    server_now: float,
    *,
    spent: int = 0,
    share: float | None = None,
) -> float:
    """`pause` in seconds, made longer where refreshing all kinds at this pace would spend more than our share.

    `costs` are the requests that one refresh of each kind is charged again and again; `spent` were charged in this
    window; `share` is the part of what is left that may be spent until it ends (None: a quarter); `server_now` is
    epoch seconds by the server's clock. A window that the clocks cannot make sense of counts as at most an hour.
    """
    if budget is None:
        return pause
    window = min(budget.reset_at - server_now, HOUR_S)
    cost, allowed = sum(costs.values()), allowance(budget, spent, share)
    if window <= 0:
        return pause
    if allowed < max(cost, 1.0):
        return max(pause, window)
    return max(pause, cost * window / allowed)
