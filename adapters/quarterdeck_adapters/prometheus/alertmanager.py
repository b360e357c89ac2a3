"""Silences, from the Alertmanager that the config or the Prometheus itself names.

API v2: https://github.com/prometheus/alertmanager/blob/main/api/v2/openapi.yaml . Whether an alert is silenced is
Alertmanager's own judgement: its matchers are not evaluated here.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from quarterdeck_adapters.base import SourceConfig
from quarterdeck_adapters.http import HttpClient
from quarterdeck_adapters.prometheus.alerts import Silenced, web
from quarterdeck_adapters.prometheus.api import Api
from quarterdeck_adapters.prometheus.values import labels, mapping, rows, text, texts
from quarterdeck_lifecycle.errors import QuarterdeckError

DEADLINE_S = 4.0
PAUSE_S = 30.0
"""Seconds that an Alertmanager without an answer is left alone: alerts must not wait for it each time."""
KEPT_S = 300.0
MOST = 3


def base(url: str) -> str:
    """The base of an Alertmanager's address as `/api/v1/alertmanagers` tells it (with its alerts' path)."""
    found = web(url)
    for ending in ("/api/v2/alerts", "/api/v1/alerts"):
        found = found.removesuffix(ending)
    return found.rstrip("/")


def joined(muted: list[tuple[dict[str, str], str]]) -> Silenced:
    """Who silenced an alert of these labels; an empty string for nobody.

    On the way to Alertmanager an alert gains external labels and may lose some by relabelling: it is the same when
    the name and every label that both have agree.
    """

    def silenced(known: dict[str, str]) -> str:
        best, most = "", 0
        for theirs, by in muted:
            shared = known.keys() & theirs.keys()
            if "alertname" in shared and len(shared) > most and all(known[name] == theirs[name] for name in shared):
                best, most = by, len(shared)
        return best

    return silenced


def silencer(silence: Any) -> str:
    """`user: comment` of a silence."""
    found = mapping(silence)
    return f"{text(found.get('createdBy')) or 'unknown'}: {text(found.get('comment'))}"


class Alertmanagers:
    """Asks the first Alertmanager that answers; those of a cluster share their silences."""

    def __init__(self, api: Api, config: SourceConfig) -> None:
        self.trouble = ""
        self._api = api
        self._config = config
        self._clients: dict[str, HttpClient] = {}
        self._named: tuple[float, list[str]] | None = None
        self._paused_until: float | None = None

    async def silenced(self, now: float) -> Silenced:
        """How to tell whether an alert is silenced. Never raises: it answers `unknown: why` then."""
        try:
            places = await self._places(now)
        except QuarterdeckError as error:
            return self._unknown(error)
        if self._paused_until is not None and 0 < self._paused_until - now <= PAUSE_S:
            return self._unknown(None)
        self.trouble, self._paused_until = "", None
        trouble: QuarterdeckError | None = None
        for place in places[:MOST]:
            try:
                return joined(await self._muted(self._client(place)))
            except QuarterdeckError as error:
                trouble = error
        if trouble is None:
            return lambda _: ""
        self._paused_until = now + PAUSE_S
        return self._unknown(trouble)

    def _unknown(self, error: QuarterdeckError | None) -> Silenced:
        if error is not None:
            self.trouble = f"silences are unknown: {error}"
        return lambda _: "unknown: Alertmanager does not answer"

    async def _places(self, now: float) -> list[str]:
        if "alertmanager" in self._config.options:
            option = self._config.options["alertmanager"]
            given = option if isinstance(option, tuple) else (str(option),)
            return [base(each) for each in given if base(each)]
        if self._named is None or not self._named[1] or not 0 <= now - self._named[0] < KEPT_S:
            found = mapping(await self._api.data("alertmanagers"))
            urls = [base(text(each.get("url"))) for each in rows(found.get("activeAlertmanagers"))]
            self._named = (now, [url for url in dict.fromkeys(urls) if url])
        return self._named[1]

    def _client(self, url: str) -> HttpClient:
        client = self._clients.get(url)
        if client is None:
            there, here = urlsplit(url), urlsplit(self._api.url)
            # A credential is for its own host: only one behind the same address, under another path, gets it.
            same = (there.scheme, there.netloc) == (here.scheme, here.netloc)
            client = self._clients[url] = HttpClient(
                self._api.source, url,
                headers=self._api.credential.headers if same else None,
                deadline=min(self._api.http.deadline, DEADLINE_S),
                plain_http=self._config.plain_http,
                ca_file=self._config.ca_file or "",
                insecure=self._config.insecure and there.hostname == here.hostname,
            )  # fmt: skip
        return client

    async def _muted(self, client: HttpClient) -> list[tuple[dict[str, str], str]]:
        found = rows(await client.get_json("/api/v2/alerts", params={"active": "false"}))
        muted = [(labels(each.get("labels")), texts(mapping(each.get("status")).get("silencedBy"))) for each in found]
        muted = [(known, ids) for known, ids in muted if ids]
        if not muted:
            return []
        silences = {text(each.get("id")): each for each in rows(await client.get_json("/api/v2/silences"))}
        return [(known, " · ".join(silencer(silences.get(each)) for each in ids[:3])) for known, ids in muted]

    async def close(self) -> None:
        """Close every connection."""
        for client in self._clients.values():
            await client.close()
