"""The API, version 3: its token, its refusals, and its pages, which may move while they are read.

https://developer.travis-ci.com; errors: https://github.com/travis-ci/travis-api/blob/master/lib/travis/api/v3.rb,
limits: https://github.com/travis-ci/travis-api/blob/master/lib/travis/api/attack.rb
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import msgspec

from quarterdeck_adapters.base import Context, SourceConfig
from quarterdeck_adapters.ci.api import JsonApi
from quarterdeck_adapters.ci.values import Json, known, section, text, whole
from quarterdeck_adapters.http import OFF_LOOP, Answer
from quarterdeck_adapters.travis.places import api_address
from quarterdeck_lifecycle.errors import AuthFailed, Conflict, Forbidden, QuarterdeckError, RateLimited

MOST_PAGES = 6
BANNED_S = 3600.0
OVERLAP = 1
"""Rows of the page before that the next one is asked for again: so a row that went is noticed."""
_SIGN_IN = frozenset({"login_required", "wrong_credentials"})
_RENEW = "renew what token: of this source names (`travis token --com`, or Settings > API authentication)"


class Pages(NamedTuple):
    """The objects of several pages, once each; how many there are in all; and whether they moved while being read."""

    rows: list[Json]
    total: int | None
    moved: bool = False


class TravisApi(JsonApi):
    """Calls that answer JSON. All raise QuarterdeckError."""

    system = "Travis"
    accept = {"Accept": "application/json", "Travis-API-Version": "3"}
    mend_malformed = "check the url: the API is at https://api.travis-ci.com, that of an Enterprise server at https://HOST/api"

    def __init__(self, config: SourceConfig, context: Context) -> None:
        super().__init__(config, context, api_address(config.url), headers=self._token)

    async def _token(self) -> Mapping[str, str]:
        login = await self.credential.login()
        return {} if login is None else {"Authorization": f"token {login.secret}"}

    def translated(self, answer: Answer, what: str) -> QuarterdeckError:
        """The typed error of an answer of 400 and above: Travis says 403 for much that others say 401 or 409 for."""
        body = _document(answer)
        type, why = text(body.get("error_type")), text(body.get("error_message")) or text(answer.text()[:200])
        if answer.status == 403 and (type in _SIGN_IN or (not type and why.strip() == "access denied")):
            return AuthFailed(what, source=self.source, why=why, mend=_RENEW)
        if answer.status == 403 and type == "insufficient_access":
            scope = text(body.get("permission"))
            mend = "ask whoever administers the repository for write access to it"
            return Forbidden(what, source=self.source, why=why, scope=scope, mend=mend)
        if answer.status == 403 and not type and why.strip() == "Forbidden":
            return RateLimited(
                what, source=self.source, retry_after=BANNED_S, why="Travis answers nothing for an hour after more than"
                " 50 writes within 30 s", mend="wait for it to end; drive fewer builds at once",
            )  # fmt: skip
        if answer.status == 403 and type:
            return Forbidden(what, source=self.source, why=why, mend="the repository's page on Travis says more")
        if type == "request_limit_reached":
            most, seconds = whole(body.get("max_requests")), whole(body.get("per_seconds")) or 3600
            slug = text(section(body, "repository").get("slug"))
            return RateLimited(
                what, source=self.source, why=f"{most or 'no more'} builds in {seconds // 60} minutes may be asked for"
                f" by the API{f' for {slug}' if slug else ''}, and they are used up",
                mend="wait, or push a commit instead; nothing else is held back",
            )  # fmt: skip
        if answer.status == 406:
            return Conflict(what, source=self.source, why=why, mend="activate the repository on Travis first")
        return super().translated(answer, what)

    async def listed(self, path: str, key: str, wanted: int, **params: Any) -> Pages:
        """The first `wanted` objects of a collection, once each.

        Pages are asked for by offset. Where something was added in between, rows come twice and are shown once; where
        something went, the overlap is missing, and the page before is read again. Raises Malformed.
        """
        found: dict[int, Json] = {}
        offset, total, moved = 0, None, False
        last: int | None = None
        for _ in range(MOST_PAGES):
            place = {"limit": min(wanted, 100), **({"offset": offset} if offset else {})}
            body = await self.object(path, {**params, **place})
            if not isinstance(body.get(key), list):
                raise self._strange(f"GET {path} answered no list of {key}")
            rows = known(body, key)
            info = section(body, "@pagination")
            if (count := whole(info.get("count"))) is not None:
                total = count
            if last is not None and last not in rows and rows and not moved:
                moved = True
                last, offset = None, max(0, offset - len(rows))
                continue
            before = len(found)
            for id, row in rows.items():
                found.setdefault(id, row)
            ended = info.get("is_last") is True or not rows or (total is not None and offset + len(rows) >= total)
            if ended or len(found) >= wanted or (len(found) == before and not moved):
                break
            last = next(reversed(rows))
            offset += max(1, len(rows) - OVERLAP)
        return Pages(list(found.values())[:wanted], total, moved)


def _document(answer: Answer) -> Json:
    try:
        body = msgspec.json.decode(answer.body[:OFF_LOOP])
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return {}
    return body if isinstance(body, Mapping) else {}
