"""What a version came from: experiments, runs and signatures, read in bulk or once, and remembered."""

from __future__ import annotations

import math
import re
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping, Sequence

import msgspec

from quarterdeck_adapters.mlflow import signature
from quarterdeck_adapters.mlflow.api import Api, Pages, together
from quarterdeck_adapters.mlflow.signature import Signature
from quarterdeck_adapters.mlflow.values import Json, rows, section, text, whole
from quarterdeck_lifecycle.errors import AuthFailed, Conflict, NotFound, QuarterdeckError, RateLimited

MOST_EXPERIMENTS = 2000
EXPERIMENTS_KEPT_S = 25.0
IDS_AT_ONCE = 100
SINGLE_AT_ONCE = 20
REMEMBERED = 4000
MISSING_KEPT_S = 300.0
SIGNATURES_AT_ONCE = 12
ENDED = ("FINISHED", "FAILED", "KILLED")
_PLAIN = re.compile(r"[A-Za-z0-9_-]{1,64}")


def run_id(run: Json) -> str:
    """A run's id; older servers call it run_uuid."""
    info = section(run, "info")
    return text(info.get("run_id")) or text(info.get("run_uuid"))


class Experiments:
    """The experiments of a server, read again when older than the interval at rest."""

    def __init__(self, api: Api, now: Callable[[], float]) -> None:
        self._api = api
        self._now = now
        self._found: dict[str, Json] = {}
        self._at = -math.inf
        self.cut = ""

    async def all(self) -> Mapping[str, Json]:
        """Experiments by id, the last changed first. Raises QuarterdeckError."""
        if not 0 <= self._now() - self._at < EXPERIMENTS_KEPT_S:
            pages = Pages(lambda raw: text(raw.get("experiment_id")), MOST_EXPERIMENTS)
            # Without max_results the answer is a 400.
            body = {"max_results": 1000, "order_by": ["last_update_time DESC"]}
            found = await pages.read(
                lambda token: self._api.post(
                    "experiments/search", {**body, **({"page_token": token} if token else {})}
                ),
                "experiments",
            )
            self._found = {text(raw.get("experiment_id")): raw for raw in found if raw.get("experiment_id")}
            self.cut = f"{pages.cut} experiments" if pages.cut else ""
            self._at = self._now()
        return self._found


class Origins(msgspec.Struct, frozen=True):
    """Runs by id, the ids that lead nowhere, and in words what could not be read."""

    found: dict[str, Json]
    missing: frozenset[str] = frozenset()
    partial: str = ""


class RunBook:
    """Runs by id. One that ended is kept; one that is missing is asked for again after minutes."""

    def __init__(self, api: Api, now: Callable[[], float], experiments: Experiments) -> None:
        self._api = api
        self._now = now
        self._experiments = experiments
        self._ended: OrderedDict[str, Json] = OrderedDict()
        self._missing: dict[str, float] = {}

    async def of(self, wanted: Iterable[str]) -> Origins:
        """The runs of these ids, deleted ones too. What cannot be read is said. Raises AuthFailed, RateLimited."""
        ids, now = [id for id in dict.fromkeys(wanted) if id], self._now()
        found = {id: self._ended[id] for id in ids if id in self._ended}
        missing = {id for id in ids if now - self._missing.get(id, -math.inf) < MISSING_KEPT_S}
        unknown = [id for id in ids if id not in found and id not in missing]
        try:
            for start in range(0, len(unknown), IDS_AT_ONCE):
                found.update(await self._search(unknown[start : start + IDS_AT_ONCE]))
            single = [id for id in unknown if id not in found]
            await together(self._single(id, found, missing) for id in single[:SINGLE_AT_ONCE])
        except (AuthFailed, RateLimited):
            raise
        except QuarterdeckError as error:
            return Origins(found, frozenset(missing), f"without some source runs: {error.short}")
        finally:
            self._remember(found, missing, now)
        left = len(single) - SINGLE_AT_ONCE
        return Origins(found, frozenset(missing), f"without {left} source runs" if left > 0 else "")

    async def one(self, id: str) -> Json | None:
        """One run, None where there is none. Raises QuarterdeckError."""
        try:
            return section(await self._api.get("runs/get", run_id=id), "run") or None
        except NotFound:
            return None

    async def _search(self, ids: Sequence[str]) -> dict[str, Json]:
        experiments = list(await self._experiments.all())
        plain = [id for id in ids if _PLAIN.fullmatch(id)]
        if not experiments or not plain:
            return {}
        listed = ", ".join(f"'{id}'" for id in plain)
        body = {
            "experiment_ids": experiments, "filter": f"attributes.run_id IN ({listed})", "run_view_type": "ALL",
            "max_results": len(plain),
        }  # fmt: skip
        try:
            answer = await self._api.post("runs/search", body)
        except Conflict:
            # A server that cannot filter by several ids is asked for one after the other.
            return {}
        return {run_id(run): run for run in rows(answer, "runs") if run_id(run) in plain}

    async def _single(self, id: str, found: dict[str, Json], missing: set[str]) -> None:
        run = await self.one(id)
        if run is None:
            missing.add(id)
        else:
            found[id] = run

    def _remember(self, found: Mapping[str, Json], missing: Iterable[str], now: float) -> None:
        for id, run in found.items():
            if text(section(run, "info").get("status")) in ENDED:
                self._ended[id] = run
        while len(self._ended) > REMEMBERED:
            self._ended.popitem(last=False)
        for id in missing:
            self._missing.setdefault(id, now)
        self._missing = {id: at for id, at in self._missing.items() if now - at < MISSING_KEPT_S}


class Signatures:
    """Signatures of versions, a few at a time; a version's files never change."""

    def __init__(self, api: Api, now: Callable[[], float]) -> None:
        self._api = api
        self._now = now
        self._kept: OrderedDict[tuple[str, str, str], tuple[float, Signature | None]] = OrderedDict()

    def known(self, raw: Json) -> Signature | None:
        """The signature of a version, where it was read and there is one."""
        kept = self._kept.get(_identity(raw))
        return kept[1] if kept is not None else None

    async def read(self, wanted: Sequence[Json]) -> None:
        """Read those that are not known yet, at most a dozen, the newest first. Raises AuthFailed, RateLimited."""
        unknown = {_identity(raw) for raw in wanted if not self._fresh(_identity(raw))}
        newest = sorted(unknown, key=lambda key: (whole(key[2]) or 0, key), reverse=True)
        await together(self._read(key) for key in newest[:SIGNATURES_AT_ONCE])

    def _fresh(self, key: tuple[str, str, str]) -> bool:
        kept = self._kept.get(key)
        return kept is not None and (kept[1] is not None or 0 <= self._now() - kept[0] < MISSING_KEPT_S)

    async def _read(self, key: tuple[str, str, str]) -> None:
        try:
            found = await signature.fetch(self._api, key[0], key[1])
        except (AuthFailed, RateLimited):
            raise
        except QuarterdeckError:
            # The files may be in a store that the server cannot read now; the row stands without them.
            found = None
        self._kept[key] = (self._now(), found)
        while len(self._kept) > REMEMBERED:
            self._kept.popitem(last=False)


def _identity(raw: Json) -> tuple[str, str, str]:
    return text(raw.get("name")), text(raw.get("version")), text(raw.get("creation_timestamp"))
