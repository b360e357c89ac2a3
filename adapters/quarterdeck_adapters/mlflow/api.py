"""MLflow's REST API over the shared client: credentials, errors in its own words, pages that end.

https://mlflow.org/docs/latest/api_reference/rest-api.html
"""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Any, TypeVar
from urllib.parse import urlsplit

import msgspec

from quarterdeck_adapters.base import Context, SourceConfig
from quarterdeck_adapters.blocking import call
from quarterdeck_adapters.http import OFF_LOOP, Answer, HttpClient, failure
from quarterdeck_adapters.mlflow.values import Json, rows, section, text
from quarterdeck_config.merge import normal_url
from quarterdeck_config.schema import SecretRef
from quarterdeck_lifecycle.errors import (
    AuthFailed,
    Conflict,
    Forbidden,
    Malformed,
    NotFound,
    QuarterdeckError,
    Unavailable,
)

BASE = "/api/2.0/mlflow"
AJAX = "/ajax-api/2.0/mlflow"
READS = [("POST", r".*/api/2\.0/mlflow/(?:experiments|runs|logged-models)/search")]
KEPT_S = 300.0
SECRET_DEADLINE_S = 12.0
ANY = range(400, 600)
T = TypeVar("T")


class NoSuchCall(Malformed):
    """The server has no such call, or this is no MLflow server."""


async def together(work: Iterable[Awaitable[T]], at_once: int = 6) -> list[T]:
    """Await all, a few at a time. The first failure is raised when all have ended."""
    slots = asyncio.Semaphore(at_once)

    async def one(each: Awaitable[T]) -> T:
        async with slots:
            return await each

    ended = await asyncio.gather(*(one(each) for each in work), return_exceptions=True)
    for each in ended:
        if isinstance(each, BaseException):
            raise each
    return [each for each in ended if not isinstance(each, BaseException)]


class Api:
    """Calls below `/api/2.0/mlflow`, each answered by a JSON object. All raise QuarterdeckError."""

    def __init__(self, config: SourceConfig, context: Context, *, deadline: float | None = None) -> None:
        self.source = config.name
        self.url = (config.url or "").rstrip("/")
        self._config = config
        self._context = context
        self._kept: tuple[float, Mapping[str, str]] | None = None
        self.http = HttpClient(
            config.name,
            self.url,
            headers=self._headers,
            reads=READS,
            deadline=deadline or config.deadline or 10.0,
            plain_http=config.plain_http,
            ca_file=config.ca_file or "",
            insecure=config.insecure,
        )

    async def get(self, path: str, **params: Any) -> Json:
        """GET below the base path."""
        return await self._json(await self.ask("GET", f"{BASE}/{path}", params=params))

    async def post(self, path: str, body: Json) -> Json:
        """POST below the base path: a search, or a write where a permit is held."""
        return await self._json(await self.ask("POST", f"{BASE}/{path}", json=body))

    async def delete(self, path: str, body: Json) -> Json:
        """DELETE with a JSON body, as MLflow wants it."""
        return await self._json(await self.ask("DELETE", f"{BASE}/{path}", json=body))

    async def ask(self, method: str, path: str, **options: Any) -> Answer:
        """A whole answer below 400; a read whose kept connection the server had closed is asked once more."""
        what = f"{method} {path}"
        try:
            answer = await self.http.request(method, path, ok=ANY, **options)
        except Unavailable as error:
            import httpx

            lost = isinstance(error.__cause__, httpx.RemoteProtocolError | httpx.ReadError)
            if not lost or method != "GET":
                raise
            answer = await self.http.request(method, path, ok=ANY, **options)
        if answer.status >= 400:
            if answer.status == 401:
                self._kept = None
            raise translated(answer, what)
        return answer

    async def _json(self, answer: Answer) -> Json:
        body = await answer.json()
        if not isinstance(body, dict):
            path = urlsplit(answer.url).path
            raise Malformed(f"{path} sent no JSON object", source=self.source, mend="check the address")
        return body

    async def close(self) -> None:
        """Close every connection."""
        await self.http.close()

    # credentials

    def auth(self) -> str:
        """How this source signs in: token, basic, or none."""
        token, _, password = self._secrets()
        return "token" if token else "basic" if password else "none"

    def _secrets(self) -> tuple[SecretRef | None, str, SecretRef | None]:
        config, env = self._config, self._context.env
        if not config.credentials:
            return None, "", None
        if config.token or config.password:
            return config.token, config.username or "", config.password
        if normal_url(self.url) != normal_url(env.get("MLFLOW_TRACKING_URI", "")):
            return None, "", None
        if env.get("MLFLOW_TRACKING_TOKEN"):
            return SecretRef(env="MLFLOW_TRACKING_TOKEN"), "", None
        if env.get("MLFLOW_TRACKING_USERNAME") and env.get("MLFLOW_TRACKING_PASSWORD"):
            return None, env["MLFLOW_TRACKING_USERNAME"], SecretRef(env="MLFLOW_TRACKING_PASSWORD")
        return None, "", None

    async def _headers(self) -> Mapping[str, str]:
        now = self._context.now()
        if self._kept is not None and 0 <= now - self._kept[0] < KEPT_S:
            return self._kept[1]
        token, username, password = self._secrets()
        ref = token or password
        if ref is None:
            return {}
        try:
            secret = await call(
                lambda: self._context.secret(ref), deadline=SECRET_DEADLINE_S, source=self.source, what="its credential"
            )
        except AuthFailed as error:
            raise AuthFailed(error.what, source=self.source, why=error.why, mend=error.mend) from error
        if token is not None:
            headers = {"Authorization": f"Bearer {secret}"}
        else:
            pair = base64.b64encode(f"{username}:{secret}".encode()).decode()
            headers = {"Authorization": f"Basic {pair}"}
        if ref.env is None:
            self._kept = (now, headers)
        return headers


def code_of(answer: Answer) -> tuple[str, str]:
    """MLflow's own error code and message; empty where the answer is not in its language."""
    try:
        body = msgspec.json.decode(answer.body[:OFF_LOOP])
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return "", ""
    if not isinstance(body, dict):
        return "", ""
    return text(body.get("error_code")), text(body.get("message"))


def translated(answer: Answer, what: str) -> QuarterdeckError:
    """The typed error of an answer of 400 and above. MLflow's error code outranks the status."""
    source = answer.source
    code, message = code_of(answer)
    why = message or code
    if code in ("RESOURCE_DOES_NOT_EXIST", "NOT_FOUND", "ENDPOINT_NOT_FOUND"):
        return NotFound(what, source=source, why=why)
    if code == "PERMISSION_DENIED":
        return Forbidden(what, source=source, why=why, mend="ask an administrator of this MLflow server")
    if code in ("INVALID_PARAMETER_VALUE", "BAD_REQUEST", "INVALID_STATE", "RESOURCE_ALREADY_EXISTS"):
        return Conflict(what, source=source, why=why)
    if answer.status == 403 and answer.text().startswith("Invalid Host header"):
        host = urlsplit(answer.url).netloc
        return Forbidden(
            what,
            source=source,
            why=f"the server does not go by the name {host} (Invalid Host header)",
            mend=f"start it with --allowed-hosts {host}, or use a name that it knows in url:",
        )
    if answer.status in (404, 405) and not code:
        return NoSuchCall(
            what,
            source=source,
            why=f"{answer.status}, and not in MLflow's own words: no such call there",
            mend="check the url, with the path prefix if the server has one",
        )
    return failure(answer, what)


class Pages:
    """Rows of several pages, each once. `cut` says in words why it ended before the last one."""

    def __init__(self, key: Callable[[Json], object], limit: int) -> None:
        self.found: dict[object, Json] = {}
        self.cut = ""
        self.more = ""
        self._key = key
        self._limit = limit

    async def read(self, fetch: Callable[[str], Awaitable[Json]], field: str) -> list[Json]:
        """Fetch until there is no further page, `limit` rows are there, or the pages go in circles.

        Tokens are offsets: pages overlap when a row is added while they are read.
        """
        token, seen = "", {""}
        while True:
            body = await fetch(token)
            before = len(self.found)
            for each in rows(body, field):
                self.found.setdefault(self._key(each), each)
            token = text(body.get("next_page_token"))
            if not token:
                break
            if len(self.found) >= self._limit:
                self.more = token
                self.cut = f"the first {self._limit:,}"
                break
            if token in seen or len(self.found) == before:
                self.cut = "the server repeats its pages"
                break
            seen.add(token)
        return list(self.found.values())[: self._limit]


def only(body: Json, key: str, source: str) -> Json:
    """The object that an answer is about. Raises Malformed without it."""
    found = section(body, key)
    if not found:
        raise Malformed(f"the answer holds no {key}", source=source, mend="check that this is an MLflow server")
    return found
