"""A JSON API over the shared client: one credential, conditional requests, charged requests counted, pages that end."""

from __future__ import annotations

import asyncio
import inspect
from collections import OrderedDict
from collections.abc import AsyncIterator, Awaitable, Iterable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

from quarterdeck_adapters.base import Context, SourceConfig
from quarterdeck_adapters.ci.faults import server_time, translated
from quarterdeck_adapters.ci.pacing import allowance
from quarterdeck_adapters.ci.values import Json, known
from quarterdeck_adapters.credential import Credential
from quarterdeck_adapters.http import ETAGS, Answer, Headers, HttpClient
from quarterdeck_lifecycle.errors import AuthFailed, Malformed, QuarterdeckError, RateLimited
from quarterdeck_lifecycle.ports import Budget

if TYPE_CHECKING:
    import httpx

DEADLINE_S = 10.0
AT_ONCE = 6
ANY = range(400, 600)
KEPT = ETAGS
KEPT_KEYS = 5000
SAME_WINDOW_S = 60.0
SCANT = 30.0
"""Requests left of our share below which details are left out."""
MOST_PAGES = 10
T = TypeVar("T")
_again: ContextVar[list[str] | None] = ContextVar("again", default=None)


async def together(work: Iterable[Awaitable[T]]) -> list[T | BaseException]:
    """Await all, a few at a time; what failed stands as its exception. Given up, it starts none that waits."""
    slots = asyncio.Semaphore(AT_ONCE)
    asked = list(work)

    async def one(each: Awaitable[T]) -> T:
        async with slots:
            return await each

    try:
        return await asyncio.gather(*map(one, asked), return_exceptions=True)
    finally:
        for each in asked:
            if inspect.iscoroutine(each) and inspect.getcoroutinestate(each) == inspect.CORO_CREATED:
                each.close()


@contextmanager
def counting() -> Iterator[list[str]]:
    """Requests inside this block, by this task and those it starts, that are charged each time they are sent.

    What is asked for the first time is not among them: most of that is asked once.
    """
    found: list[str] = []
    token = _again.set(found)
    try:
        yield found
    finally:
        _again.reset(token)


class JsonApi:
    """Calls that answer JSON. All raise QuarterdeckError. While a limit is hit nothing is sent.

    A subclass names its system, its headers, what a 304 costs, and how its refusals read.
    """

    system: ClassVar[str] = "the server"
    accept: ClassVar[Mapping[str, str]] = {"Accept": "application/json"}
    free_304: ClassVar[bool] = False
    """Whether an answer that says "not modified" is not charged."""
    mend_malformed: ClassVar[str] = "check the url of this source; a proxy or a login page may stand between"

    def __init__(
        self, config: SourceConfig, context: Context, base: str, *, headers: Headers | None = None,
        reads: Sequence[tuple[str, str]] = (),
    ) -> None:
        """`base` is the address of the API; `headers` gives the credential's, else `Authorization: Bearer`."""
        self.source = config.name
        self.base = base
        self.credential = Credential(config, context)
        self.now = context.now
        self.skew_s = 0.0
        self.http = HttpClient(
            config.name, base, headers=headers or self.credential.headers, reads=reads,
            deadline=config.deadline or DEADLINE_S, plain_http=config.plain_http, ca_file=config.ca_file or "",
            insecure=config.insecure,
        )  # fmt: skip
        self._closed_until = 0.0
        self._why = ""
        self._decoded: OrderedDict[str, tuple[Answer, Any]] = OrderedDict()
        self._asked: OrderedDict[str, None] = OrderedDict()
        self._window = 0.0
        self.spent = 0
        """Requests of ours that this window of the limit was charged with."""

    def translated(self, answer: Answer, what: str) -> QuarterdeckError:
        """The typed error of an answer of 400 and above."""
        return translated(answer, what, self.now(), self.system)

    @property
    def budget(self) -> Budget | None:
        """What is left of the limit, as the last answer said."""
        return self.http.budget

    def thrifty(self, share: float | None) -> bool:
        """Whether only what is needed most may be asked: nobody is signed in, or our share is nearly spent."""
        budget = self.budget
        return not self.credential.configured or (budget is not None and allowance(budget, self.spent, share) < SCANT)

    @property
    def server_now(self) -> float:
        """Epoch seconds by the server's clock."""
        return self.now() + self.skew_s

    def _open(self, what: str) -> None:
        left = self._closed_until - self.now()
        if left > 0:
            raise RateLimited(
                what, source=self.source, why=f"not sent, as {self.system} asked for a pause: {self._why}",
                retry_after=left, mend=f"it ends in {left:.0f} s",
            )  # fmt: skip

    def _judged(self, answer: Answer, what: str, ok: Iterable[int] = ()) -> Answer:
        """The answer, when it is a good one. Raises the typed error."""
        self.skew_s = server_time(answer.headers, self.now()) - self.now()
        if answer.status < 400 or answer.status in ok:
            return answer
        error = self.translated(answer, what)
        if isinstance(error, RateLimited):
            self._closed_until, self._why = self.now() + (error.retry_after or 0.0), error.why
        if isinstance(error, AuthFailed):
            self.credential.forget()
        raise error

    def _charge(self, key: str, answer: Answer, known_before: Answer | None) -> None:
        """Count a request. Where a 304 is free it is so for a caller that is signed in."""
        signed_in = self.credential.configured and self.free_304
        first = key not in self._asked
        self._asked[key] = None
        self._asked.move_to_end(key)
        while len(self._asked) > KEPT_KEYS:
            self._asked.popitem(last=False)
        budget = self.http.budget
        if budget is not None and abs(budget.reset_at - self._window) > SAME_WINDOW_S:
            self._window, self.spent = budget.reset_at, 0
        if answer is known_before and signed_in:
            return
        self.spent += 1
        again = _again.get()
        if again is not None and (not first or not self.credential.configured):
            again.append(key)

    async def answer(
        self, path: str, params: Mapping[str, Any] | None = None, *, etag: bool = False, ok: Iterable[int] = ()
    ) -> Answer:
        """GET; with `etag` an unchanged answer is the very same object as before and costs nothing."""
        what = f"GET {path}"
        self._open(what)
        key = f"{path}?{sorted((params or {}).items())}"
        before = self._decoded.get(key) if etag else None
        answer = await self.http.get(path, params=params, headers=self.accept, ok=ANY, etag=etag)
        self._charge(key, answer, before[0] if before else None)
        return self._judged(answer, what, ok)

    async def get(self, path: str, params: Mapping[str, Any] | None = None, *, etag: bool = False) -> Any:
        """The decoded body of a GET; with `etag` the very same object while nothing changed."""
        answer = await self.answer(path, params, etag=etag)
        key = f"{path}?{sorted((params or {}).items())}"
        if etag and (before := self._decoded.get(key)) is not None and before[0] is answer:
            self._decoded.move_to_end(key)
            return before[1]
        try:
            body = await answer.json()
        except Malformed as error:
            raise Malformed(
                error.what, source=error.source, why=error.why, mend=self.mend_malformed
            ) from error
        if etag:
            self._decoded[key] = (answer, body)
            while len(self._decoded) > KEPT:
                self._decoded.popitem(last=False)
        return body

    async def object(self, path: str, params: Mapping[str, Any] | None = None, *, etag: bool = False) -> Json:
        """As `get`, for what must be a JSON object. Raises Malformed."""
        body = await self.get(path, params, etag=etag)
        if not isinstance(body, Mapping):
            raise self._strange(f"GET {path} answered no object")
        return body

    def _strange(self, what: str) -> Malformed:
        return Malformed(what, source=self.source, mend=f"check that this is {self.system}'s API")

    async def page(
        self, path: str, params: Mapping[str, Any], key: str = "", *, page: int = 1, etag: bool = False
    ) -> tuple[dict[int, Json], bool]:
        """The objects of one page, once each by id, and whether a further page is announced. Raises Malformed."""
        wanted = {**params, **({"page": page} if page > 1 else {})}
        body = await self.get(path, wanted, etag=etag)
        listed = body.get(key) if key and isinstance(body, Mapping) else body
        if not isinstance(listed, list):
            raise self._strange(f"GET {path} answered no list")
        return known(listed), len(listed) >= int(params.get("per_page", 30))

    async def all(self, path: str, key: str = "", *, limit: int = 300, **params: Any) -> tuple[list[Json], bool]:
        """The objects of several pages, once each, and whether some were left out.

        Pages are asked for by number, so that no address in a Link header leads elsewhere or in circles.
        """
        found: dict[int, Json] = {}
        for number in range(1, MOST_PAGES + 1):
            rows, more = await self.page(path, {"per_page": 100, **params}, key, page=number)
            before = len(found)
            for id, row in rows.items():
                found.setdefault(id, row)
            if not more or len(found) == before:
                return list(found.values())[:limit], len(found) > limit
            if len(found) >= limit:
                break
        return list(found.values())[:limit], True

    async def write(self, method: str, path: str, body: Any = None) -> Answer:
        """Send a write once; it needs the permit of the operation in progress."""
        what = f"{method} {path}"
        self._open(what)
        answer = await self.http.request(method, path, json=body, headers=self.accept, ok=ANY)
        self._charge(what, answer, None)
        return self._judged(answer, what)

    @asynccontextmanager
    async def bytes(self, path: str) -> AsyncIterator[httpx.Response]:
        """A body to be read in pieces. A redirect to another host is followed without the credential."""
        what = f"GET {path}"
        self._open(what)
        async with self.http.stream("GET", path, headers=self.accept) as response:
            if response.status_code >= 400:
                body = b""
                async for chunk in response.aiter_bytes():
                    body += chunk
                    if len(body) > 64 * 1024:
                        break
                headers = {name.lower(): value for name, value in response.headers.items()}
                answer = Answer(
                    source=self.source, status=response.status_code, headers=headers, body=body, url=str(response.url)
                )
                own = str(response.url).startswith(self.base + "/")
                if not own and answer.status in (401, 403):
                    answer = Answer(
                        source=self.source, status=404, headers={}, url=answer.url,
                        body=b'{"message": "the address of the log has expired, or the log was removed"}',
                    )  # fmt: skip
                self._charge(what, answer, None)
                self._judged(answer, what)
            yield response

    async def close(self) -> None:
        """Let go of every connection."""
        await self.http.close()


