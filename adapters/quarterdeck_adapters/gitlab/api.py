"""The REST API v4 over the shared client. https://docs.gitlab.com/api/rest/"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, ClassVar

from quarterdeck_adapters.base import Context, SourceConfig
from quarterdeck_adapters.ci.api import ANY, JsonApi
from quarterdeck_adapters.ci.values import Json, known
from quarterdeck_adapters.gitlab.faults import budget, translated
from quarterdeck_adapters.gitlab.places import API, api_address
from quarterdeck_adapters.http import Answer
from quarterdeck_lifecycle.errors import QuarterdeckError

if TYPE_CHECKING:
    import httpx

GRAPHQL = "/api/graphql"
PAGES = 5
"""Pages that are followed by keyset, at most."""
_BEFORE = re.compile(r"[?&]id_before=(\d{1,19})(?:&|$)")


class GitlabApi(JsonApi):
    """Calls that answer JSON. A 304 is charged as any other answer."""

    system: ClassVar[str] = "GitLab"
    mend_malformed: ClassVar[str] = "check the url of this source: the address of GitLab itself, as https://HOST"

    def __init__(self, config: SourceConfig, context: Context) -> None:
        own = config.options.get("private_token") is True
        super().__init__(
            config, context, api_address(config.url), headers=self._private if own else None,
            reads=(("POST", rf".*{GRAPHQL}"),),
        )  # fmt: skip

    async def _private(self) -> Mapping[str, str]:
        """The header of an access token, for where a proxy keeps Authorization to itself."""
        login = await self.credential.login()
        return {} if login is None else {"PRIVATE-TOKEN": login.secret}

    def translated(self, answer: Answer, what: str) -> QuarterdeckError:
        return translated(answer, what, self.now())

    def _judged(self, answer: Answer, what: str, ok: Iterable[int] = ()) -> Answer:
        self.http.budget = budget(answer.headers) or self.http.budget
        return super()._judged(answer, what, ok)

    async def ask_graph(self, asked: Mapping[str, Any]) -> Any:
        """The answer to a query of GraphQL: a read, although it is a POST. Raises QuarterdeckError."""
        what = f"POST {GRAPHQL}"
        self._open(what)
        url = self.base.removesuffix(API) + GRAPHQL
        answer = await self.http.request("POST", url, json=asked, headers=self.accept, ok=ANY)
        self._charge(what, answer, None)
        return await self._judged(answer, what).json()

    async def by_keyset(self, path: str, params: Mapping[str, Any], *, limit: int = 200) -> list[Json]:
        """Rows of several pages by keyset, newest first, once each; every page begins before the last one's end.

        Only the mark is taken out of the Link header, so that no address in it leads elsewhere; a mark that does not
        fall ends it. https://docs.gitlab.com/api/rest/#keyset-based-pagination
        """
        found: dict[int, Json] = {}
        mark: int | None = None
        for _ in range(PAGES):
            asked = {"pagination": "keyset", "order_by": "id", "sort": "desc", "per_page": 100, **params}
            answer = await self.answer(path, asked if mark is None else {**asked, "id_before": mark})
            found |= {id: row for id, row in known(await answer.json()).items() if id not in found}
            match = _BEFORE.search(answer.next_link())
            if match is None or len(found) >= limit or (mark is not None and int(match[1]) >= mark):
                break
            mark = int(match[1])
        return list(found.values())[:limit]

    @asynccontextmanager
    async def trace(self, path: str, headers: Mapping[str, str]) -> AsyncIterator[httpx.Response]:
        """A job's log, to be read in pieces; 304 and 416 are answers too. Raises QuarterdeckError."""
        what = f"GET {path}"
        self._open(what)
        wanted = {"Accept": "text/plain", "Accept-Encoding": "identity", **headers}
        async with self.http.stream("GET", path, headers=wanted) as response:
            given = {name.lower(): value for name, value in response.headers.items()}
            body = b""
            if response.status_code >= 400:
                async for chunk in response.aiter_bytes():
                    body += chunk
                    if len(body) > 64 * 1024:
                        break
            answer = Answer(
                source=self.source, status=response.status_code, headers=given, body=body, url=str(response.url)
            )
            self._charge(what, answer, None)
            self._judged(answer, what, (416,))
            yield response
