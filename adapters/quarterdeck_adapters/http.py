"""The shared HTTP client: deadlines, redaction by design, declared reads, typed errors, ETags, bounded bodies."""

from __future__ import annotations

import asyncio
import ipaddress
import re
import sys
import time
from collections import OrderedDict
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from functools import cache
from typing import TYPE_CHECKING, Any
from urllib.parse import urljoin, urlsplit

import msgspec

from quarterdeck_adapters.blocking import call
from quarterdeck_lifecycle.calls import CALLS
from quarterdeck_lifecycle.errors import (
    AuthFailed,
    Conflict,
    Forbidden,
    Malformed,
    NotFound,
    QuarterdeckError,
    RateLimited,
    Timeout,
    Unavailable,
)
from quarterdeck_lifecycle.permit import require
from quarterdeck_lifecycle.ports import Budget

if TYPE_CHECKING:
    import ssl

    import httpx

# httpx imports its own command line, which imports rich, pygments and more, where it can: half of its start.
sys.modules.setdefault("httpx._main", None)  # type: ignore[arg-type]

MAX_BODY = 64 * 1024 * 1024
OFF_LOOP = 256 * 1024
ETAGS = 128
"""Answers kept to be asked for again only if they changed: three lists of some thirty repositories, and details."""
Headers = Callable[[], Awaitable[Mapping[str, str]]]


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """A complete answer. `headers` has lower-case names."""

    source: str
    status: int
    headers: dict[str, str]
    body: bytes
    url: str

    async def json(self) -> Any:
        """The decoded body, parsed off the loop when large. Raises Malformed."""
        if len(self.body) > OFF_LOOP:
            return await call(self._decode, deadline=30, source=self.source, what="reading a large answer")
        return self._decode()

    def _decode(self) -> Any:
        try:
            return msgspec.json.decode(self.body)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            kind = self.headers.get("content-type", "no content type").split(";")[0]
            what = "an HTML page instead of JSON" if "html" in kind else f"an answer that is not JSON ({kind})"
            raise Malformed(
                f"{urlsplit(self.url).path} sent {what}",
                source=self.source,
                why=str(error),
                mend="check the address; a proxy or a login page may stand between",
            ) from error

    def text(self) -> str:
        """The body as text, undecodable bytes replaced."""
        return self.body.decode("utf-8", "replace")

    def next_link(self) -> str:
        """The address of the next page from the Link header (RFC 8288), or an empty string."""
        for part in self.headers.get("link", "").split(","):
            target, _, params = part.partition(";")
            if re.search(r'rel="?next"?', params):
                return target.strip().strip("<>")
        return ""


def is_loopback(host: str) -> bool:
    """Whether a host name or address is this machine by its loopback."""
    if host in ("localhost", "localhost.localdomain"):
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


@cache
def public_tls(verify: bool) -> ssl.SSLContext:
    """TLS of every client here: verified against the public authorities (30 ms to read), or not verified."""
    import httpx

    return httpx.create_ssl_context(verify, trust_env=False)


def retry_after(headers: Mapping[str, str], now: float) -> float | None:
    """Seconds asked for by Retry-After (seconds or a date) or by an exhausted X-RateLimit window."""
    value = headers.get("retry-after", "")
    if value.strip().isdigit():
        return float(value)
    if value:
        from email.utils import mktime_tz, parsedate_tz

        parsed = parsedate_tz(value)
        if parsed:
            return max(0.0, mktime_tz(parsed) - now)
    if headers.get("x-ratelimit-remaining") == "0" and headers.get("x-ratelimit-reset", "").isdigit():
        return max(0.0, float(headers["x-ratelimit-reset"]) - now)
    return None


def budget(headers: Mapping[str, str]) -> Budget | None:
    """What X-RateLimit-* headers say is left."""
    try:
        return Budget(
            remaining=int(headers["x-ratelimit-remaining"]),
            limit=int(headers["x-ratelimit-limit"]),
            reset_at=float(headers["x-ratelimit-reset"]),
        )
    except (KeyError, ValueError):
        return None


def _said(answer: Answer) -> str:
    """The system's own reason, from the usual places of a JSON error body."""
    try:
        body = msgspec.json.decode(answer.body[:OFF_LOOP])
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        text = answer.text()[:300]
        return "" if text.lstrip().startswith("<") else text
    if isinstance(body, dict):
        errors = body.get("errors")
        if isinstance(errors, list) and errors and isinstance(errors[0], dict) and "message" not in body:
            return f"{errors[0].get('code', '')} {errors[0].get('message', '')}".strip()
        for key in ("message", "error", "detail", "error_code"):
            if isinstance(body.get(key), str):
                return str(body[key])
    return ""


def failure(answer: Answer, what: str) -> QuarterdeckError:
    """The typed error for an answer of 400 and above."""
    source, status, why = answer.source, answer.status, _said(answer)
    pause = retry_after(answer.headers, time.time())
    if status == 401:
        return AuthFailed(what, source=source, why=why or "401", mend="renew the credential of this source")
    if status == 429 or (
        status == 403 and (pause is not None or answer.headers.get("x-ratelimit-remaining") == "0")
    ):
        return RateLimited(what, source=source, why=why or str(status), retry_after=pause)
    if status == 403:
        scope = answer.headers.get("x-accepted-oauth-scopes", "")
        return Forbidden(what, source=source, why=why or "403", scope=scope)
    if status in (404, 410):
        return NotFound(what, source=source, why=why or str(status))
    if status in (400, 405, 409, 412, 422):
        return Conflict(what, source=source, why=why or str(status))
    return Unavailable(what, source=source, why=f"{status} {why}".strip())


class HttpClient:
    """One client for one source.

    `reads` are (method, path pattern) pairs that may be sent without a permit to write; GET and HEAD always may.
    `headers` gives the credential's headers at the moment of use; they travel over plain http only to loopback or
    with `plain_http`, and never to another host than the base's.
    """

    def __init__(
        self,
        source: str,
        base_url: str,
        *,
        headers: Headers | None = None,
        reads: Sequence[tuple[str, str]] = (),
        deadline: float = 10.0,
        plain_http: bool = False,
        ca_file: str = "",
        insecure: bool = False,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        self.source = source
        self.base_url = base_url.rstrip("/")
        self.deadline = deadline
        self.budget: Budget | None = None
        self.clock_skew_s: float | None = None
        self._headers = headers
        self._reads = [(method, re.compile(pattern)) for method, pattern in reads]
        self._plain_http = plain_http
        self._ca_file = ca_file
        self._insecure = insecure
        self._transport = transport
        self._client: httpx.AsyncClient | None = None
        self._etags: OrderedDict[str, tuple[str, Answer]] = OrderedDict()

    def _open(self) -> httpx.AsyncClient:
        if self._client is None:
            import ssl

            import httpx

            plain = self.base_url.startswith("http:")
            own = ssl.create_default_context(cafile=self._ca_file) if self._ca_file else None
            self._client = httpx.AsyncClient(
                verify=own or public_tls(not (plain or self._insecure)),
                transport=self._transport,
                timeout=httpx.Timeout(self.deadline, connect=min(self.deadline, 5.0)),
                limits=httpx.Limits(max_connections=8, max_keepalive_connections=4, keepalive_expiry=30),
                follow_redirects=False,
                trust_env=False,
                headers={"User-Agent": "quarterdeck", "Accept": "application/json"},
            )
        return self._client

    async def close(self) -> None:
        """Close every connection."""
        client, self._client = self._client, None
        if client is not None:
            await client.aclose()

    def _check(self, method: str, path: str) -> None:
        if method in ("GET", "HEAD") or any(m == method and p.fullmatch(path) for m, p in self._reads):
            return
        require(self.source, f"{method} {path}")

    async def _credential(self, url: str) -> Mapping[str, str]:
        if self._headers is None:
            return {}
        target, base = urlsplit(url), urlsplit(self.base_url)
        if (target.scheme, target.hostname, target.port) != (base.scheme, base.hostname, base.port):
            return {}
        headers = await self._headers()
        if headers and target.scheme == "http" and not self._plain_http and not is_loopback(target.hostname or ""):
            raise AuthFailed(
                f"the credential was not sent to {target.netloc}",
                source=self.source,
                why="it would travel over plain http",
                mend="use https, or set plain_http: true on this source",
            )
        return headers

    @asynccontextmanager
    async def stream(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, Any] | None = None,
        json: Any = None,
        form: Mapping[str, str] | None = None,
        content: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        deadline: float | None = None,
        follow: bool = True,
    ) -> AsyncIterator[httpx.Response]:
        """An answer whose body the caller reads. With `follow` up to five redirects of reads are followed.

        Raises QuarterdeckError.
        """
        import httpx

        url = path if path.startswith(("http://", "https://")) else f"{self.base_url}/{path.lstrip('/')}"
        self._check(method, urlsplit(url).path)
        client = self._open()
        what = f"{method} {urlsplit(url).path}"
        timeout = deadline if deadline is not None else self.deadline
        try:
            for _ in range(6):
                sent = {**(await self._credential(url)), **(headers or {})}
                request = client.build_request(
                    method, url, params=params, json=json, data=form, content=content, headers=sent, timeout=timeout
                )
                with CALLS.call(self.source, method, str(request.url)) as made:
                    response = await client.send(request, stream=True)
                    made.status = response.status_code
                try:
                    moved = response.status_code in (301, 302, 303, 307, 308)
                    if follow and moved and method in ("GET", "HEAD"):
                        url, params = urljoin(str(response.url), response.headers.get("location", "")), None
                        if not url.startswith(("http://", "https://")):
                            raise Malformed(what, source=self.source, why="a redirect to no web address")
                        continue
                    self.budget = budget(response.headers) or self.budget
                    yield response
                    return
                finally:
                    await response.aclose()
            raise Malformed(what, source=self.source, why="too many redirects")
        except httpx.TimeoutException as error:
            raise Timeout(
                what,
                source=self.source,
                why=f"no answer from {urlsplit(url).netloc} within {timeout:g} s",
                mend="check that the system is up and reachable",
            ) from error
        except httpx.HTTPError as error:
            raise Unavailable(
                what,
                source=self.source,
                why=f"{urlsplit(url).netloc}: {str(error) or type(error).__name__}",
                mend="check the address and that the system is up",
            ) from error
        except httpx.InvalidURL as error:
            raise Malformed(what, source=self.source, why=str(error)) from error

    async def request(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, Any] | None = None,
        json: Any = None,
        form: Mapping[str, str] | None = None,
        content: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        deadline: float | None = None,
        ok: Sequence[int] = (),
        max_body: int = MAX_BODY,
        follow: bool = True,
    ) -> Answer:
        """A whole answer within the deadline. Status 400 and above raise the typed error unless listed in `ok`."""
        limit = deadline if deadline is not None else self.deadline
        what = f"{method} {urlsplit(path).path}"
        try:
            async with (
                asyncio.timeout(limit + 1),
                self.stream(
                    method, path, params=params, json=json, form=form, content=content, headers=headers,
                    deadline=limit, follow=follow,
                ) as response,
            ):  # fmt: skip
                body = bytearray()
                if method != "HEAD":
                    async for chunk in response.aiter_bytes():
                        body += chunk
                        if len(body) > max_body:
                            raise Malformed(
                                what, source=self.source, why=f"the answer is larger than {max_body >> 20} MiB"
                            )
                answer = Answer(
                    source=self.source,
                    status=response.status_code,
                    headers={key.lower(): value for key, value in response.headers.items()},
                    body=bytes(body),
                    url=str(response.url),
                )
        except TimeoutError as error:
            raise Timeout(what, source=self.source, why=f"no whole answer within {limit:g} s") from error
        if answer.status >= 400 and answer.status not in ok:
            raise failure(answer, what)
        return answer

    async def get(
        self, path: str, *, params: Mapping[str, Any] | None = None, headers: Mapping[str, str] | None = None,
        deadline: float | None = None, ok: Sequence[int] = (), etag: bool = False,
    ) -> Answer:  # fmt: skip
        """GET; with `etag` an unchanged answer costs a 304 and comes from memory."""
        if not etag:
            return await self.request("GET", path, params=params, headers=headers, deadline=deadline, ok=ok)
        key = f"{path}?{sorted((params or {}).items())}"
        known = self._etags.get(key)
        sent = {**(headers or {}), **({"If-None-Match": known[0]} if known else {})}
        answer = await self.request("GET", path, params=params, headers=sent, deadline=deadline, ok=ok)
        if answer.status == 304 and known:
            self._etags.move_to_end(key)
            return known[1]
        if tag := answer.headers.get("etag"):
            self._etags[key] = (tag, answer)
            while len(self._etags) > ETAGS:
                self._etags.popitem(last=False)
        return answer

    async def get_json(self, path: str, **options: Any) -> Any:
        """The decoded body of a GET."""
        return await (await self.get(path, **options)).json()
