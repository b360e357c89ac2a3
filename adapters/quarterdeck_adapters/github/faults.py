"""GitHub's refusals as typed errors.

https://docs.github.com/en/rest/using-the-rest-api/troubleshooting-the-rest-api
https://docs.github.com/en/rest/using-the-rest-api/rate-limits-for-the-rest-api#exceeding-the-rate-limit
"""

from __future__ import annotations

from quarterdeck_adapters.ci.faults import pause, said
from quarterdeck_adapters.http import Answer, failure
from quarterdeck_lifecycle.errors import (
    AuthFailed,
    Conflict,
    Forbidden,
    NotFound,
    QuarterdeckError,
    RateLimited,
)

_OF_STATE = ("already running", "over a month ago", "no failed jobs", "cannot be retried", "unable to retry")


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
