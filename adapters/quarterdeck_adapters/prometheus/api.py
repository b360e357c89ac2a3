"""Prometheus' HTTP API over the shared client (https://prometheus.io/docs/prometheus/latest/querying/api/)."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any, TypeVar
from urllib.parse import urlsplit

import msgspec

from quarterdeck_adapters.base import Context, SourceConfig
from quarterdeck_adapters.blocking import call
from quarterdeck_adapters.credential import Credential
from quarterdeck_adapters.http import OFF_LOOP, Answer, HttpClient
from quarterdeck_lifecycle.errors import AuthFailed, Malformed, NotFound

DEFAULT_URL = "http://127.0.0.1:9090"
LONG = 1500
"""Characters of an expression from which on it travels as a form: a URL has its limits on the way."""
READS = [("POST", r".*/api/v1/query"), ("POST", r".*/api/v1/query_range")]
DEADLINE_S = 10.0
T = TypeVar("T")

Values = list[tuple[float, float | None]]
"""(epoch seconds, value); None for NaN, which is also the mark of a stale series."""


class Found(msgspec.Struct, frozen=True):
    """One series of an answer."""

    labels: dict[str, str]
    values: Values


class Matrix(msgspec.Struct, frozen=True):
    """The answer to a query; `warnings` mean partial data."""

    series: list[Found]
    warnings: tuple[str, ...]


class _Row(msgspec.Struct):
    metric: dict[str, str] = {}
    values: list[tuple[float, str]] = []
    value: tuple[float, str] | None = None
    histograms: list[Any] = []
    histogram: Any = None


class _Data(msgspec.Struct):
    result: list[_Row]


class _Body(msgspec.Struct):
    data: _Data
    warnings: list[str] = []


_decoder = msgspec.json.Decoder(_Body)


def number(value: str) -> float | None:
    """A sample's value; None for NaN and for what is no number."""
    try:
        found = float(value)
    except ValueError:
        return None
    return None if math.isnan(found) else found


def read_matrix(body: bytes) -> Matrix:
    """The answer to `query` (a vector) or `query_range`. Raises msgspec.DecodeError."""
    decoded = _decoder.decode(body)
    found, histograms = [], 0
    for row in decoded.data.result:
        pairs = [row.value] if row.value is not None else row.values
        histograms += bool(row.histograms or row.histogram)
        if pairs or not (row.histograms or row.histogram):
            found.append(Found(dict(sorted(row.metric.items())), [(at, number(value)) for at, value in pairs]))
    warnings = list(decoded.warnings)
    if histograms:
        warnings.append(f"{histograms} native histograms are not shown; use histogram_quantile()")
    return Matrix(found, tuple(warnings))


class Api:
    """Calls below `/api/v1`. All raise QuarterdeckError."""

    def __init__(self, config: SourceConfig, context: Context, *, deadline: float | None = None) -> None:
        self.source = config.name
        self.url = (config.url or DEFAULT_URL).rstrip("/")
        self.credential = Credential(config, context)
        self.http = HttpClient(
            config.name,
            self.url,
            headers=self.credential.headers,
            reads=READS,
            deadline=deadline or config.deadline or DEADLINE_S,
            plain_http=config.plain_http,
            ca_file=config.ca_file or "",
            insecure=config.insecure,
        )

    async def data(self, path: str, params: Mapping[str, Any] | None = None) -> Any:
        """The `data` of a GET."""
        answer = await self._ask("GET", path, params=params)
        body = await answer.json()
        if not isinstance(body, dict) or "data" not in body:
            what = f"{urlsplit(answer.url).path} sent no answer of Prometheus"
            raise Malformed(what, source=self.source, mend="check the address")
        return body["data"]

    async def query(self, expr: str, at: float) -> Matrix:
        """The value of an expression at an instant (epoch seconds)."""
        return await self._matrix("query", {"query": expr, "time": f"{at:.3f}"})

    async def query_range(self, expr: str, start: float, end: float, step: float) -> Matrix:
        """Values from `start` to `end` (epoch seconds, both included), `step` seconds apart."""
        sent = {"query": expr, "start": f"{start:.3f}", "end": f"{end:.3f}", "step": f"{step:.3f}"}
        return await self._matrix("query_range", sent)

    async def _matrix(self, path: str, sent: dict[str, str]) -> Matrix:
        if len(sent["query"]) > LONG:
            answer = await self._ask("POST", path, form=sent)
        else:
            answer = await self._ask("GET", path, params=sent)
        return await self._read(answer, read_matrix)

    async def _read(self, answer: Answer, work: Callable[[bytes], T]) -> T:
        try:
            if len(answer.body) > OFF_LOOP:
                return await call(lambda: work(answer.body), deadline=30, source=self.source, what="reading the answer")
            return work(answer.body)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            await answer.json()
            raise Malformed(
                f"{urlsplit(answer.url).path} sent an answer of another shape", source=self.source, why=str(error),
                mend="check that this is a Prometheus",
            ) from error  # fmt: skip

    async def _ask(self, method: str, path: str, **options: Any) -> Answer:
        try:
            return await self.http.request(method, f"/api/v1/{path}", **options)
        except AuthFailed:
            self.credential.forget()
            raise
        except NotFound as error:
            mend = "check the url, with the path prefix if the server has one"
            raise NotFound(error.what, source=self.source, why=error.why, mend=mend) from error

    async def close(self) -> None:
        """Close every connection."""
        await self.http.close()
