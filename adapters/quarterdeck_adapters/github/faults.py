"""GitHub's refusals as typed errors.

https://docs.github.com/en/rest/using-the-rest-api/troubleshooting-the-rest-api
https://docs.github.com/en/rest/using-the-rest-api/rate-limits-for-the-rest-api#exceeding-the-rate-limit
"""

from __future__ import annotations

import email.utils
from collections.abc import Mapping

import msgspec

from quarterdeck_adapters.ci.values import text
from quarterdeck_adapters.http import OFF_LOOP, Answer, failure, retry_after
from quarterdeck_lifecycle.errors import (
    AuthFailed,
    Conflict,
    Forbidden,
    Malformed,
    NotFound,
    QuarterdeckError,
    RateLimited,
)

SECONDARY_S = 60.0
"""How long to pause when no time is named, as the documentation asks."""
LONGEST_S = 3600.0
_OF_STATE = ("already running", "over a month ago", "no failed jobs", "cannot be retried", "unable to retry")


def said(answer: Answer) -> str:
    """The forge's own words, the details of a validation included; empty where it did not answer in JSON."""
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
    return ": ".join(filter(None, (text(body.get("message")), "; ".join(details))))


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
    return min(SECONDARY_S if asked is None else asked, LONGEST_S)


def translated(answer: Answer, what: str, now: float) -> QuarterdeckError:
    """The typed error of an answer of 400 and above. `now` is epoch seconds."""
    source, status, why = answer.source, answer.status, said(answer) or str(answer.status)
    wait = pause(answer, why, now)
    if wait is not None:
        return RateLimited(
            what, source=source, why=why, retry_after=wait,
            mend="the limit is shared by all programs of this account; rate_share of the source bounds the deck's part",
        )  # fmt: skip
    if status == 401:
        return AuthFailed(
            what, source=source, why=why,
            mend="renew the token (`gh auth login`), or what token: of this source names",
        )  # fmt: skip
    if status == 403 and any(words in why.lower() for words in _OF_STATE):
        return Conflict(what, source=source, why=why)
    if status == 403:
        return _forbidden(answer, what, why)
    if status in (404, 410):
        return NotFound(
            what, source=source, why=why,
            mend="" if status == 410 else "it is gone, or the token may not see it: GitHub answers 404 for both",
        )  # fmt: skip
    if status >= 500 or status in (400, 405, 409, 412, 422):
        html = "html" in answer.headers.get("content-type", "")
        found = failure(answer, what)
        return type(found)(what, source=source, why=f"{status}, a page of HTML" if html else f"{why}")
    return failure(answer, what)


def _forbidden(answer: Answer, what: str, why: str) -> Forbidden:
    headers = answer.headers
    sso = headers.get("x-github-sso", "")
    needs = headers.get("x-accepted-github-permissions", "") or headers.get("x-accepted-oauth-scopes", "")
    mend = f"give the token {needs}" if needs else "ask whoever administers the repository"
    if "required" in sso:
        mend = f"authorize the token for the organisation: {sso.partition('url=')[2]}"
    return Forbidden(what, source=answer.source, why=why, scope=needs, mend=mend)


def not_json(error: Malformed) -> Malformed:
    """A hint for a page where the API should be: the usual mistake is an Enterprise address without its path."""
    return Malformed(
        error.what, source=error.source, why=error.why,
        mend="check the url: the API of an Enterprise server is at https://HOST/api/v3; or a proxy stands between",
    )  # fmt: skip
