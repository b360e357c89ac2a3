"""Refusals of CI systems as typed errors, and what their headers say of limits and of their clock."""

from __future__ import annotations

import email.utils
from collections.abc import Mapping

import msgspec

from quarterdeck_adapters.ci.values import text
from quarterdeck_adapters.http import OFF_LOOP, Answer, failure, retry_after
from quarterdeck_lifecycle.errors import AuthFailed, Forbidden, NotFound, QuarterdeckError, RateLimited

PAUSE_S = 60.0
"""How long to pause when a limit names no time."""
LONGEST_S = 3600.0


def said(answer: Answer) -> str:
    """The system's own words, the details of a validation included; empty where it did not answer in JSON."""
    try:
        body = msgspec.json.decode(answer.body[:OFF_LOOP])
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return ""
    if not isinstance(body, Mapping):
        return ""
    listed = body.get("errors")
    details = []
    for each in listed if isinstance(listed, list) else [listed]:
        if isinstance(each, Mapping):
            words = text(each.get("message")) or f"{text(each.get('field'))} {text(each.get('code'))}".strip()
        else:
            words = text(each)
        if words:
            details.append(words)
    return ": ".join(filter(None, (text(body.get("message")), text(body.get("error_message")), "; ".join(details))))


def server_time(headers: Mapping[str, str], now: float) -> float:
    """The server's clock by its Date header, else ours: both its reset times and ours may be off."""
    parsed = email.utils.parsedate_tz(headers.get("date", ""))
    try:
        return float(email.utils.mktime_tz(parsed)) if parsed else now
    except (ValueError, OverflowError):
        return now


def pause(answer: Answer, why: str, now: float) -> float | None:
    """Seconds to wait when this is a rate limit, the primary or a secondary one; None when it is none."""
    if answer.status not in (403, 429):
        return None
    asked = retry_after(answer.headers, server_time(answer.headers, now))
    lowered = why.lower()
    limited = answer.status == 429 or "rate limit" in lowered or "abuse detection" in lowered
    if asked is None and not limited:
        return None
    return min(PAUSE_S if asked is None else asked, LONGEST_S)


def translated(answer: Answer, what: str, now: float, system: str) -> QuarterdeckError:
    """The typed error of an answer of 400 and above. `now` is epoch seconds."""
    source, status, why = answer.source, answer.status, said(answer) or str(answer.status)
    wait = pause(answer, why, now)
    if wait is not None:
        return RateLimited(
            what, source=source, why=why, retry_after=wait,
            mend="the limit is shared by all programs of this account; rate_share of the source bounds the deck's part",
        )  # fmt: skip
    if status == 401:
        return AuthFailed(what, source=source, why=why, mend="renew what token: (or password:) of this source names")
    if status == 403:
        return Forbidden(what, source=source, why=why, mend=f"ask {system}'s administrator for the right to do this")
    if status in (404, 410):
        return NotFound(
            what, source=source, why=why,
            mend=f"it is gone, or the credential may not see it: {system} answers {status} for both",
        )  # fmt: skip
    html = "html" in answer.headers.get("content-type", "")
    found = failure(answer, what)
    return type(found)(what, source=source, why=f"{status}, a page of HTML" if html else why)
