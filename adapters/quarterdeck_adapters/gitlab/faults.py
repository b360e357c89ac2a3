"""GitLab's refusals as typed errors.

https://docs.gitlab.com/api/rest/#status-codes https://docs.gitlab.com/api/rest/troubleshooting/
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from quarterdeck_adapters.ci import faults
from quarterdeck_adapters.ci.values import text
from quarterdeck_adapters.http import OFF_LOOP, Answer
from quarterdeck_lifecycle.errors import AuthFailed, Forbidden, NotFound, QuarterdeckError, RateLimited
from quarterdeck_lifecycle.ports import Budget


def words(value: Any, depth: int = 3) -> str:
    """A message as one text: it is a string, a list, or lists by the name of what is wrong."""
    if isinstance(value, Mapping) and depth:
        found = ((text(key), words(inner, depth - 1)) for key, inner in value.items())
        return "; ".join(inner if key == "base" else f"{key} {inner}" for key, inner in found if inner)
    if isinstance(value, list) and depth:
        return "; ".join(filter(None, (words(each, depth - 1) for each in value[:8])))
    return text(value)


def said(answer: Answer) -> tuple[str, str]:
    """GitLab's own words, and the scope that it asks for; both empty where it did not answer in JSON."""
    try:
        body = msgspec.json.decode(answer.body[:OFF_LOOP])
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return "", ""
    if not isinstance(body, Mapping):
        return "", ""
    reason = words(body.get("message")) or text(body.get("error_description")) or words(body.get("error"))
    return reason, text(body.get("scope")) if body.get("error") == "insufficient_scope" else ""


def budget(headers: Mapping[str, str]) -> Budget | None:
    """What is left of the limit: https://docs.gitlab.com/administration/settings/user_and_ip_rate_limits/"""
    try:
        return Budget(
            remaining=int(headers["ratelimit-remaining"]), limit=int(headers["ratelimit-limit"]),
            reset_at=float(headers["ratelimit-reset"]),
        )  # fmt: skip
    except (KeyError, ValueError):
        return None


def translated(answer: Answer, what: str, now: float) -> QuarterdeckError:
    """The typed error of an answer of 400 and above. `now` is epoch seconds."""
    source, status = answer.source, answer.status
    reason, scope = said(answer)
    why = reason or str(status)
    error = faults.translated(answer, what, now, "GitLab")
    if isinstance(error, RateLimited):
        return error
    if status == 401:
        return AuthFailed(
            what, source=source, why=why, mend="renew the token (a personal, project or group access token)"
        )
    if status == 403:
        mend = f"give the token the scope {scope}" if scope else "ask a maintainer of the project for the right"
        return Forbidden(what, source=source, why=why, scope=scope, mend=mend)
    if status in (404, 410):
        return NotFound(
            what, source=source, why=why, mend="it is gone, or the token may not see it: GitLab answers 404 for both"
        )
    return type(error)(what, source=source, why=reason or error.why)
