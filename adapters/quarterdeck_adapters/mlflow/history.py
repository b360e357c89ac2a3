"""Metric histories of runs: sampled once, then only what is new. Few, small requests."""

from __future__ import annotations

import base64
import json
import math
from collections import OrderedDict
from collections.abc import Mapping, Sequence

from quarterdeck_adapters.mlflow.api import AJAX, Api, NoSuchCall, together
from quarterdeck_adapters.mlflow.primary import Latest
from quarterdeck_adapters.mlflow.progress import KEPT, Point, Track, points
from quarterdeck_adapters.mlflow.values import Json, rows, text
from quarterdeck_lifecycle.errors import Malformed

INTERVAL = f"{AJAX}/metrics/get-history-bulk-interval"
"""The call behind the web page's charts: a sample of any length of history."""
MOST_AT_ONCE = 2500
"""Points of one run that the server gives at most."""
RUNS_AT_ONCE = 100
REMEMBERED = 400
FALLBACK_PAGE = 1000
MOST_PAGES = 50


class Histories:
    """What is known of the histories of runs, by run id."""

    def __init__(self, api: Api) -> None:
        self._api = api
        self._tracks: OrderedDict[str, Track] = OrderedDict()
        self._bad: OrderedDict[tuple[str, str], int] = OrderedDict()
        self._sampled = True

    def get(self, run_id: str) -> Track | None:
        """What is known of one run."""
        return self._tracks.get(run_id)

    def known_bad(self, run_id: str, bad: Latest) -> int | None:
        """What `first_bad` found before."""
        return self._bad.get((run_id, bad.name))

    async def follow(self, running: Mapping[str, Latest], now: float) -> None:
        """Bring running runs up to date: one request for each that moved, none for those that did not."""

        await together(self._follow(run_id, shown, now) for run_id, shown in running.items())

    async def sample(self, ended: Mapping[str, str]) -> None:
        """The histories of ended runs (run id -> metric), read once: a request for each metric and 100 runs."""
        wanted: dict[str, list[str]] = {}
        for run_id, key in ended.items():
            known = self._tracks.get(run_id)
            if key and (known is None or known.key != key):
                wanted.setdefault(key, []).append(run_id)
        if not self._sampled:
            return
        for key, run_ids in wanted.items():
            for start in range(0, len(run_ids), RUNS_AT_ONCE):
                await self._sample(key, run_ids[start : start + RUNS_AT_ONCE])

    async def sampled(self, run_id: str, key: str, most: int) -> list[Point]:
        """At most about `most` points of a metric's whole history, evenly. Raises QuarterdeckError."""
        if self._sampled:
            try:
                return await self._interval(run_id, key, None, None, most)
            except NoSuchCall:
                # Servers before 2.3 have no such call.
                self._sampled = False
        return await self._paged(run_id, key, Track(key))

    async def first_bad(self, run_id: str, bad: Latest) -> int | None:
        """The first step at which a metric that is no finite number now was none, by halving; None: not to be had."""
        if (run_id, bad.name) in self._bad:
            return self._bad[run_id, bad.name]
        if not self._sampled:
            return None
        low, high = 0, bad.step
        for _ in range(4):
            found = await self._interval(run_id, bad.name, low, high, KEPT * 4)
            wrong = next((i for i, p in enumerate(found) if not math.isfinite(p.value)), None)
            if wrong is None:
                break
            high = found[wrong].step
            if wrong == 0 or len(found) < KEPT * 4:
                break
            low = found[wrong - 1].step
        self._bad[run_id, bad.name] = high
        while len(self._bad) > REMEMBERED:
            self._bad.popitem(last=False)
        return high

    async def _follow(self, run_id: str, shown: Latest, now: float) -> None:
        track = self._tracks.get(run_id)
        if track is None or track.key != shown.name:
            track = Track(shown.name)
            found = await self._read(run_id, shown, track, None)
            tail = found
            if len(found) >= KEPT and self._sampled:
                tail = await self._interval(run_id, shown.name, found[-2].step, found[-1].step, MOST_AT_ONCE)
            track.begin(found, tail)
            self._keep(run_id, track)
        elif track.last_step is None or shown.step > track.last_step:
            track.extend(await self._read(run_id, shown, track, track.last_step), now)

    async def _read(self, run_id: str, shown: Latest, track: Track, after: int | None) -> list[Point]:
        if after is None and self._sampled:
            found = await self.sampled(run_id, shown.name, KEPT)
            if self._sampled:
                return found
        if after is not None and self._sampled:
            return await self._interval(run_id, shown.name, after + 1, shown.step, KEPT)
        return await self._paged(run_id, shown.name, track)

    async def _interval(self, run_id: str, key: str, first: int | None, last: int | None, most: int) -> list[Point]:
        params: dict[str, object] = {"run_ids": [run_id], "metric_key": key, "max_results": most}
        if first is not None and last is not None:
            params |= {"start_step": first, "end_step": max(first, last)}
        return points(await self._body(params))

    async def _sample(self, key: str, run_ids: Sequence[str]) -> None:
        try:
            body = await self._body({"run_ids": list(run_ids), "metric_key": key, "max_results": KEPT})
        except NoSuchCall:
            self._sampled = False
            return
        for run_id in run_ids:
            mine = [m for m in rows(body, "metrics") if m.get("run_id") == run_id]
            track = Track(key)
            track.begin(points({"metrics": mine}), ())
            self._keep(run_id, track)

    async def _body(self, params: Mapping[str, object]) -> Json:
        answer = await self._api.ask("GET", INTERVAL, params=params)
        body = await answer.json()
        if not isinstance(body, dict):
            raise Malformed("a metric's history is no JSON object", source=self._api.source)
        return body

    async def _paged(self, run_id: str, key: str, track: Track) -> list[Point]:
        """Points after those read so far, by the plain call, whose page tokens are base64 of an offset."""
        found: list[Point] = []
        for _ in range(MOST_PAGES):
            params: dict[str, object] = {"run_id": run_id, "metric_key": key, "max_results": FALLBACK_PAGE}
            if track.offset:
                params["page_token"] = base64.b64encode(json.dumps({"offset": track.offset}).encode()).decode()
            body = await self._api.get("metrics/get-history", **params)
            new = rows(body, "metrics")
            track.offset += len(new)
            found += points(body)
            if not new or not text(body.get("next_page_token")):
                break
        return found

    def _keep(self, run_id: str, track: Track) -> None:
        self._tracks[run_id] = track
        self._tracks.move_to_end(run_id)
        while len(self._tracks) > REMEMBERED:
            self._tracks.popitem(last=False)
