"""Training runs: the running ones first, then the last that ended, of all experiments."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from urllib.parse import quote

import msgspec

from quarterdeck_adapters.mlflow.api import Api, together
from quarterdeck_adapters.mlflow.history import Histories
from quarterdeck_adapters.mlflow.mapping import run_tagged, unique
from quarterdeck_adapters.mlflow.primary import Latest, Primary, of_run, of_tags, primary
from quarterdeck_adapters.mlflow.progress import Track, broken, broken_note, newest, stalled
from quarterdeck_adapters.mlflow.sources import Experiments, run_id
from quarterdeck_adapters.mlflow.values import Json, epoch, pairs, rows, section, text
from quarterdeck_config.schema import ModelOptions
from quarterdeck_lifecycle.errors import AuthFailed, QuarterdeckError, RateLimited
from quarterdeck_lifecycle.kinds import TrainingRun
from quarterdeck_lifecycle.ports import Listing
from quarterdeck_lifecycle.records import Link, Ref, Status

MOST_RUNNING = 100
ENDED = 50
KEPT_S = 25.0
BROKEN_AT_ONCE = 16
PARENT_TAG = "mlflow.parentRunId"
STATUS = {
    "RUNNING": Status.RUNNING, "SCHEDULED": Status.QUEUED, "FINISHED": Status.OK, "FAILED": Status.BAD,
    "KILLED": Status.IDLE,
}  # fmt: skip
WORDS = {"RUNNING": "running", "SCHEDULED": "scheduled", "FINISHED": "finished", "FAILED": "failed", "KILLED": "killed"}
Made = Callable[[str], Sequence[tuple[str, str]]]
"""The model versions (model, number) that are known to come from a run."""


class Shown(msgspec.Struct, frozen=True):
    """The metric that a run's row shows; `label` says when it is not the primary one."""

    label: str = ""
    metric: Latest | None = None


class Runs:
    """Lists training runs, and follows the metric of those that run."""

    def __init__(
        self,
        api: Api,
        *,
        environment: str,
        now: Callable[[], float],
        models: Mapping[str, ModelOptions],
        experiments: Experiments,
        made: Made,
    ) -> None:
        self._api = api
        self._environment = environment
        self._now = now
        self._models = models
        self._made = made
        self.experiments = experiments
        self.histories = Histories(api)
        self._ended: list[Json] = []
        self._ended_at = -math.inf
        self._were_running: frozenset[str] = frozenset()

    async def search(self, condition: str, most: int, order: str) -> tuple[list[Json], bool]:
        """Runs of all experiments that fit a filter, and whether there are more. Raises QuarterdeckError."""
        ids = list(await self.experiments.all())
        if not ids:
            return [], False
        body = {"experiment_ids": ids, "filter": condition, "max_results": most, "order_by": [order]}
        answer = await self._api.post("runs/search", body)
        found = {run_id(run): run for run in rows(answer, "runs")}
        return list(found.values()), bool(text(answer.get("next_page_token")))

    async def list(self) -> Listing:
        """The running runs and the last that ended. Raises QuarterdeckError."""
        now = self._now()
        running, more = await self.search("attributes.status = 'RUNNING'", MOST_RUNNING, "attributes.start_time DESC")
        ids = frozenset(map(run_id, running))
        if self._were_running - ids or not 0 <= now - self._ended_at < KEPT_S:
            self._ended, _ = await self.search("attributes.status != 'RUNNING'", ENDED, "attributes.end_time DESC")
            self._ended_at = now
        self._were_running = ids
        raw = {run_id(run): run for run in (*running, *self._ended)}
        experiments = await self.experiments.all()
        shown = {id: self.shown(run, experiments) for id, run in raw.items()}
        partial = [self.experiments.cut, f"the last {MOST_RUNNING} running runs" if more else ""]
        partial.append(await self._follow(raw, ids, shown, now))
        parents = {tags_of(run).get(PARENT_TAG, "") for run in running}
        found = [self._record(run, shown[id], experiments, now, parent=id in parents) for id, run in raw.items()]
        return Listing(rows=found, partial="; ".join(part for part in partial if part))

    async def row(self, run: Json) -> TrainingRun:
        """One run as a row. Raises QuarterdeckError."""
        id, now, experiments = run_id(run), self._now(), await self.experiments.all()
        shown = self.shown(run, experiments)
        running = frozenset({id}) if text(section(run, "info").get("status")) == "RUNNING" else frozenset()
        await self._follow({id: run}, running, {id: shown}, now)
        return self._record(run, shown, experiments, now, parent=False)

    def _record(
        self, run: Json, shown: Shown, experiments: Mapping[str, Json], now: float, *, parent: bool
    ) -> TrainingRun:
        id, place = run_id(run), experiment_of(run)
        return record(
            run, source=self._api.source, environment=self._environment, base=self._api.url,
            experiment=text(section(experiments, place).get("name")) or place, shown=shown,
            track=self.histories.get(id), now=now, parent=parent, bad_step=self._bad_step(id, run, shown),
            made=self._made(id),
        )  # fmt: skip

    def shown(self, run: Json, experiments: Mapping[str, Json]) -> Shown:
        """The metric a run is watched by: what its tags, its experiment's, its model's options name, else the last."""
        metrics = of_run(run)
        name = self._primary(run, experiments).name
        if name:
            return Shown(name, metrics.get(name))
        last = newest(metrics.values())
        return Shown(f"{last.name} (last logged)", last) if last else Shown()

    def _primary(self, run: Json, experiments: Mapping[str, Json]) -> Primary:
        experiment = section(experiments, experiment_of(run))
        candidates = [of_tags(tags_of(run)), of_tags(pairs(experiment, "tags"))]
        candidates += [primary(model, {}, self._models) for model, _ in self._made(run_id(run))]
        candidates.append(primary(text(experiment.get("name")), {}, self._models))
        return next((found for found in candidates if found.name), Primary())

    async def _follow(
        self, raw: Mapping[str, Json], running: frozenset[str], shown: Mapping[str, Shown], now: float
    ) -> str:
        """Read the histories; the rows stay when these cannot be had. Raises AuthFailed, RateLimited."""
        try:
            await self.histories.follow({id: m for id in running if (m := shown[id].metric)}, now)
            await self.histories.sample({id: m.name for id in raw if id not in running and (m := shown[id].metric)})
            bad = {id: found for id, run in raw.items() if (found := broken(of_run(run), _name(shown[id])))}
            unknown = [id for id, found in bad.items() if self.histories.known_bad(id, found) is None]
            await together(self.histories.first_bad(id, bad[id]) for id in unknown[:BROKEN_AT_ONCE])
        except (AuthFailed, RateLimited):
            raise
        except QuarterdeckError as error:
            return f"without metric histories: {error.short}"
        return ""

    def _bad_step(self, id: str, run: Json, shown: Shown) -> int | None:
        bad = broken(of_run(run), _name(shown))
        return self.histories.known_bad(id, bad) if bad is not None else None


def record(
    run: Json,
    *,
    source: str,
    environment: str,
    base: str,
    experiment: str,
    shown: Shown,
    track: Track | None,
    now: float,
    parent: bool,
    bad_step: int | None,
    made: Sequence[tuple[str, str]],
) -> TrainingRun:
    """A training run's row. Pure."""
    info, tags, metrics = section(run, "info"), tags_of(run), of_run(run)
    id, state = run_id(run), text(info.get("status")) or "RUNNING"
    started, ended = epoch(info.get("start_time")), epoch(info.get("end_time"))
    status, note = STATUS.get(state, Status.UNKNOWN), ""
    if state == "RUNNING" and (note := stalled(metrics, started, track, now, parent=parent)):
        status = Status.LOOK
    bad = broken(metrics, _name(shown))
    if bad is not None:
        note = broken_note(bad, bad_step)
        if state == "RUNNING" or (state == "FINISHED" and bad.name == _name(shown)):
            status = Status.BAD
        elif state == "FINISHED":
            status = Status.LOOK
    if text(info.get("lifecycle_stage")) == "deleted":
        status, note = Status.IDLE, "deleted"
    metric = shown.metric
    known = track if track is not None and metric is not None and track.key == metric.name else None
    links = [Link(kind="training_run", value=id, evidence="MLflow's run id"), *run_tagged(tags, "run tag")]
    for model, version in made:
        links.append(Link(kind="version", value=f"{model}/{version}", evidence="run_id of the model version"))
    return TrainingRun(
        ref=Ref(source, "training_run", id),
        name=text(info.get("run_name")) or tags.get("mlflow.runName", "") or id[:8],
        status=status,
        state=WORDS.get(state, state),
        updated_at=ended or (metric.at if metric and metric.at else started),
        environment=environment,
        url=f"{base}/#/experiments/{quote(experiment_of(run), safe='')}/runs/{quote(id, safe='')}",
        note=note,
        links=unique(links),
        experiment=experiment,
        run_id=id,
        user=text(info.get("user_id")) or tags.get("mlflow.user", ""),
        metric_name=shown.label,
        metric=metric.value if metric else None,
        step=metric.step if metric else None,
        rate=known.rate() if known and state == "RUNNING" else None,
        params=pairs(section(run, "data"), "params"),
        metrics={m.name: m.value if math.isfinite(m.value) else str(m.value) for m in metrics.values()},
        tags=tags,
        history=known.history() if known else (),
        started_at=started,
        finished_at=ended,
    )


def experiment_of(run: Json) -> str:
    """The id of a run's experiment."""
    return text(section(run, "info").get("experiment_id"))


def tags_of(run: Json) -> dict[str, str]:
    """A run's tags."""
    return pairs(section(run, "data"), "tags")


def _name(shown: Shown) -> str:
    return shown.metric.name if shown.metric else ""
