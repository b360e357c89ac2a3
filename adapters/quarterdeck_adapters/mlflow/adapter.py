"""An MLflow tracking server and model registry as a source."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from quarterdeck_adapters.base import Context, SourceConfig
from quarterdeck_adapters.mlflow import mapping
from quarterdeck_adapters.mlflow.api import Api, NoSuchCall
from quarterdeck_adapters.mlflow.endpoints import Endpoints
from quarterdeck_adapters.mlflow.registry import Registry
from quarterdeck_adapters.mlflow.runs import Runs
from quarterdeck_adapters.mlflow.sources import Experiments, RunBook
from quarterdeck_lifecycle.errors import Malformed, NotFound, QuarterdeckError, Unsupported
from quarterdeck_lifecycle.ports import Action, Listing, Probe, Section
from quarterdeck_lifecycle.records import Record, Ref

if TYPE_CHECKING:
    from quarterdeck_adapters.mlflow.release import AliasTarget
    from quarterdeck_adapters.mlflow.release_past import PastMoves

KINDS = ("model", "version", "training_run", "endpoint")
REST_S = 30.0
RUNNING_S = 5.0


class MlflowSource:
    """One MLflow server: models, versions, training runs, and the endpoints that serve its models."""

    system = "mlflow"
    kinds = KINDS
    target_kinds: tuple[str, ...] = ("alias",)

    def __init__(self, config: SourceConfig, context: Context) -> None:
        self.name = config.name
        self.environment = config.environment or ""
        self.address = config.url or ""
        if not self.address.startswith(("http://", "https://")):
            raise Unsupported(
                "an MLflow source needs the http address of a server", source=config.name,
                why=f"its url is {self.address or 'missing'}", mend="start `mlflow server` and put its address in url:",
            )  # fmt: skip
        self.context = context
        self._config = config
        self.api = Api(config, context)
        experiments = Experiments(self.api, context.now)
        self.origins = RunBook(self.api, context.now, experiments)
        self.registry = Registry(
            self.api, environment=self.environment, now=context.now, options=context.config.models,
            runs=self.origins, served=lambda name, version: self.endpoints.serving(name, version),
        )  # fmt: skip
        self.runs = Runs(
            self.api, environment=self.environment, now=context.now, models=context.config.models,
            experiments=experiments, made=self.registry.made,
        )  # fmt: skip
        others = sum(source.system == "mlflow" for source in context.config.sources)
        self.endpoints = Endpoints(
            self.registry, context.config, now=context.now, only_source=others <= 1, metrics=context.metrics
        )
        self._actions: Mapping[str, Action] | None = None
        self.past_moves: PastMoves | None = None
        """What decks recorded of the moves of aliases, where somebody keeps it."""

    async def probe(self) -> Probe:
        """Version, and what may be read. Raises QuarterdeckError."""
        try:
            version = (await self.api.ask("GET", "/version", max_body=64 * 1024)).text().strip()
        except NoSuchCall:
            # Servers before 1.28 do not tell; they have at least this.
            await self.api.ask("GET", "/health", max_body=64 * 1024)
            version = ""
        if len(version) > 60 or version.startswith("<"):
            raise Malformed("what answers there is no MLflow server", source=self.name, mend="check the url")
        await self.api.get("registered-models/search", max_results=1)
        warnings = []
        try:
            await self.api.post("experiments/search", {"max_results": 1})
        except QuarterdeckError as error:
            warnings.append(f"training runs cannot be read: {error.short}")
        auth = self.api.auth()
        if auth == "none":
            warnings.append("no credential is sent: whoever reaches this server may move its aliases")
        if self.address.startswith("https:") and self._config.insecure:
            warnings.append("its certificate is not verified (insecure: true)")
        return Probe(
            version=version,
            identity=f"MLflow at {self.address}, credential: {auth}",
            evidence=f"{self.address}/version answered {version or 'nothing, /health did'}",
            warnings=tuple(warnings),
            can=dict.fromkeys(self.actions),
        )

    async def list(self, kind: str) -> Listing:
        """All rows of a kind, bounded. Raises QuarterdeckError."""
        if kind == "model":
            return await self.registry.models()
        if kind == "version":
            await self.endpoints.refresh(REST_S)
            return await self.registry.versions()
        if kind == "training_run":
            return await self.runs.list()
        if kind == "endpoint":
            return Listing(rows=await self.endpoints.list())
        raise Unsupported(f"no {kind} in MLflow", source=self.name)

    def interval(self, kind: str, rows: Sequence[Record]) -> float:
        """Seconds to the next poll: quick while a run runs."""
        if kind == "training_run" and any(row.state == "running" for row in rows):
            return min(RUNNING_S, self._config.interval or RUNNING_S)
        return self._config.interval or REST_S

    async def children(self, ref: Ref, page: str = "") -> tuple[Listing, str]:
        """A page of a model's versions, or the run a version came from. Raises QuarterdeckError."""
        self.check(ref)
        if ref.kind == "model":
            return await self.registry.page(ref.id, page)
        if ref.kind == "version":
            name, number = self.split(ref)
            raw = await self.registry.read_version(name, number)
            id = str(raw.get("run_id") or "")
            run = await self.origins.one(id) if id else None
            if run is None:
                raise NotFound(
                    f"the run of {name} v{number}", source=self.name, why=f"run {id} is gone" if id else "none"
                )
            return Listing(rows=[await self.runs.row(run)]), ""
        raise Unsupported(f"nothing is inside a {ref.kind}", source=self.name)

    async def describe(self, ref: Ref) -> Sequence[Section]:
        """The tabs of one thing. Raises QuarterdeckError."""
        from quarterdeck_adapters.mlflow import describe

        self.check(ref)
        return await describe.describe(self, ref)

    def check(self, ref: Ref) -> None:
        """Raise NotFound for a ref of another source."""
        if ref.source != self.name:
            raise NotFound(f"{ref} is not of this server", source=self.name)

    def split(self, ref: Ref) -> tuple[str, str]:
        """Model and version of a version's ref. Raises NotFound."""
        try:
            return mapping.split_version(ref)
        except ValueError as error:
            raise NotFound(str(error), source=self.name) from error

    @property
    def actions(self) -> Mapping[str, Action]:
        """The mutations, by the ids of their verbs."""
        if self._actions is None:
            from quarterdeck_adapters.mlflow.alias import actions

            self._actions = actions(self)
        return self._actions

    def target(self, kind: str, name: str, settings: Mapping[str, str]) -> AliasTarget:  # noqa: ARG002
        """An alias as the target of a release, by `MODEL@ALIAS`. Raises Unsupported."""
        from quarterdeck_adapters.mlflow.release import AliasTarget

        if kind not in self.target_kinds:
            raise Unsupported(f"no target of kind {kind} in MLflow", source=self.name, mend="use kind: alias")
        return AliasTarget(self, name, self.past_moves)

    async def close(self) -> None:
        """Let go of every connection."""
        await self.api.close()
