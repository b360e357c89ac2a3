"""A composition root without a screen: config, state, sources, hub and operator, for deck and commands alike."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from quarterdeck.discovering import LED, ask, is_local, with_leads
from quarterdeck_adapters import catalog
from quarterdeck_adapters.base import Context
from quarterdeck_config.errors import ConfigError, SecretError
from quarterdeck_config.keymap import Bindable, check_keymap
from quarterdeck_config.load import Loaded, load
from quarterdeck_config.merge import Candidate, Finding, merge_sources
from quarterdeck_config.schema import SecretRef
from quarterdeck_config.schema import Source as SourceConfig
from quarterdeck_config.secrets import redact, resolve
from quarterdeck_config.themes import environment_colours
from quarterdeck_lifecycle.busy import Busy
from quarterdeck_lifecycle.changelog import ChangeLog, ChangeRow
from quarterdeck_lifecycle.errors import AuthFailed, QuarterdeckError, Timeout
from quarterdeck_lifecycle.hub import Hub
from quarterdeck_lifecycle.kinds import Series
from quarterdeck_lifecycle.ledger import Actor, Ledger
from quarterdeck_lifecycle.operate import Operator
from quarterdeck_lifecycle.policy import Place, Policy
from quarterdeck_lifecycle.ports import Authors, QueriesSeries
from quarterdeck_lifecycle.records import Ref
from quarterdeck_lifecycle.release.aliasbook import AliasBook
from quarterdeck_lifecycle.release.model import SERVICES
from quarterdeck_lifecycle.release.ports import Deploys, RemembersMoves
from quarterdeck_lifecycle.state import StateDB, StateError, state_folder
from quarterdeck_lifecycle.verbs import Registry, Verb, VerbKind, built_in

if TYPE_CHECKING:
    from quarterdeck.releasing.aliaswatch import AliasWatch
    from quarterdeck.releasing.desk import Desk

T = TypeVar("T")
CI = ("github", "gitlab", "jenkins", "travis", "codepipeline", "buildbot", "local")
SYSTEMS = {
    "repositories": ("git",),
    "pipelines": CI,
    "containers": ("docker", "registry"),
    "models": ("mlflow",),
    "metrics": ("prometheus", "host"),
}
WRITABLE = ("docker", "mlflow", "registry", *CI)
DISCOVERY_S = 4.0


class Boot:
    """Everything that a deck or a command stands on. Making one asks no system anything."""

    def __init__(
        self,
        *,
        cwd: Path | None = None,
        config: Path | None = None,
        read_only: bool = False,
        loaded: Loaded | None = None,
        discovery: bool | Sequence[str] = True,
        env: Mapping[str, str] | None = None,
        title: str = "",
        now: Callable[[], float] = time.time,
    ) -> None:
        self.env = dict(os.environ if env is None else env)
        self.cwd = cwd or Path.cwd()
        self.now = now
        self.config_path = config
        self._title = title
        self._discovery = discovery
        self.loaded = loaded or load(self.cwd, config=config, env=self.env)
        self.actor = Actor.current(environ=self.env)
        self.refused: tuple[ConfigError, ...] = ()
        """What is wrong with a config that was read again and is not used."""
        self.findings: tuple[Finding, ...] = ()
        self.failed: dict[str, QuarterdeckError] = {}
        self.configs: dict[str, SourceConfig] = {}
        self.discovered = False
        self.busy = Busy()
        self.state = StateDB(state_folder(self.env))
        self.ledger = Ledger(self.state, self.actor, redact)
        self.searching = StateDB(self.state.path.parent)
        self.changelog = ChangeLog(self.state, redact, searching=self.searching)
        self.hub = Hub((), busy=self.busy, by=self._by, now=now)
        self.views_at: tuple[Path, str] | None = None
        """Folder and project of the saved views, where they are not the state's folder and this project."""
        self.policy = Policy(
            read_only=read_only,
            protected=self._protected_environment,
            local=self.is_local,
            closed=self._why_closed,
            shut=lambda: self.unreadable,
        )
        self.registry = Registry(built_in(), self._rebound())
        self._take_commands()
        self.operator = Operator(self.hub, self.registry, self.policy, self.ledger, now=now)
        self.hub.changes.append(self._keep_changes)
        self.aliasbook = AliasBook(self.state, redact)
        self._aliaswatch: AliasWatch | None = None
        self._writing: set[asyncio.Task[int]] = set()

    # what is known of sources and environments

    @property
    def project_name(self) -> str:
        """The folder the deck was started in, or the configured project's."""
        return self._title or (self.loaded.project.parent if self.loaded.project else self.cwd).name or "/"

    @property
    def notice(self) -> str:
        """One line about a config that is untrusted or broken; empty when all is well."""
        errors = self.refused or self.loaded.errors
        if errors:
            more = f" (+{len(errors) - 1} more: quarterdeck config check)" if len(errors) > 1 else ""
            return f"{'the old config stays: ' if self.refused else ''}{errors[0]}{more}"
        return self.loaded.notice or next(iter(self.key_problems), "")

    def environment_of(self, source: str) -> str:
        """The environment a source belongs to, or an empty string."""
        config = self.configs.get(source)
        return (config.environment or "") if config else ""

    @property
    def unreadable(self) -> str:
        """Why nothing may be written while a config file could not be read at all: what it protects is unknown."""
        whole = [error for error in self.loaded.errors if not error.key]
        return f"the config cannot be read: {whole[0]}" if whole else ""

    def _why_closed(self, source: str) -> str:
        config = self.loaded.config.source(source)
        return "the config says read_only" if config is not None and config.read_only else ""

    def _rebound(self) -> dict[str, str]:
        """The operator's own keys; what is refused of them stands in `key_problems`."""
        keymap = check_keymap(self.loaded.config.keys, [_bindable(v) for v in built_in() if v.key])
        self.key_problems = keymap.problems
        return {id: key for id, key in keymap.keys.items() if id in self.loaded.config.keys}

    def _take_commands(self) -> None:
        """Verbs for the operator's own commands, in the place of those of the config before."""
        self.registry.exchange("commands.", ())
        if self.loaded.config.commands:
            from quarterdeck_lifecycle.owncommands import verbs_of

            verbs, problems = verbs_of(self.loaded.config.commands, self.registry)
            self.registry.exchange("commands.", verbs)
            self.key_problems = (*self.key_problems, *problems)

    def is_local(self, source: str) -> bool:
        """Whether a source is on this machine: a path, a unix socket, the loopback."""
        found = self.hub.sources.get(source)
        return found is None or is_local(found.address)

    def _protected_environment(self, name: str) -> bool:
        environment = self.loaded.config.environments.get(name)
        return environment is not None and environment.protected

    def places(self) -> dict[str, list[Place]]:
        """Environments in the order of the config, then sources outside any, each with the places it stands for."""
        found: dict[str, list[Place]] = {name: [] for name in self.loaded.config.environments}
        for service in self.loaded.config.services.values():
            for name, placement in service.environments.items():
                used = {Place(target.source, name) for target in placement.targets}
                found.setdefault(name, []).extend(place for place in used if place.source in self.hub.sources)
        for name, source in self.hub.sources.items():
            place = Place(name, source.environment)
            if source.environment or source.system in WRITABLE:
                found.setdefault(str(place), []).append(place)
        return {name: list(dict.fromkeys(places)) for name, places in found.items() if places}

    def style_of(self, place: str) -> str:
        """The colour of an environment as a style."""
        colour = environment_colours(self.loaded.config.environments).get(place)
        return f"env:{colour}" if colour else ""

    def looked_for(self, pane: str) -> tuple[str, ...]:
        """What was looked for, where, and what answered, for an empty pane."""
        lines = [
            f"{f.system}: {f.evidence}{f' ({f.url})' if f.url else ''}: {f.why or ('found' if f.used else 'not used')}"
            for f in self.findings
            if f.system in SYSTEMS[pane]
        ]
        for name, error in self.failed.items():
            if self.configs[name].system in SYSTEMS[pane]:
                lines.append(str(error))
        if not lines:
            lines = [f"looked for {', '.join(SYSTEMS[pane])}: nothing configured, nothing found on this machine"]
        mend = "add one under sources: in quarterdeck.yaml, then :config.reload; `quarterdeck doctor` says more"
        return (*lines, mend)

    # sources

    def context(self) -> Context:
        """What adapters are given."""
        return Context(
            secret=self._secret, env=self.env, config=self.loaded.config, project=str(self.cwd), now=self.now,
            metrics=self,
        )  # fmt: skip

    async def label(self, source: str, query: str, label: str) -> str:
        """The value of `label` of the series that `query` finds on a source now, or an empty string."""
        asked = self.hub.sources.get(source)
        if not isinstance(asked, QueriesSeries):
            return ""
        try:
            answer = await asked.query(query, self.now() - 300, self.now(), 60)
        except QuarterdeckError:
            return ""  # that source says its own trouble; here the version is only unproven
        found = {row.labels.get(label, "") for row in answer.rows if isinstance(row, Series)}
        return found.pop() if len(found) == 1 else ""

    def _secret(self, ref: SecretRef) -> str:
        try:
            return resolve(ref, env=self.env).reveal()
        except SecretError as error:
            raise AuthFailed("a secret could not be resolved", why=str(error)) from error

    def take_configured(self) -> None:
        """Make the configured sources. None is asked anything yet."""
        self.take(self.loaded.config.sources)

    async def discover(self, deadline: float = DISCOVERY_S) -> None:
        """Look for systems, passively, each for at most `deadline` seconds, and take in what answered as itself."""
        found: list[Candidate] = []
        if self._discovery is not False:
            only = None if self._discovery is True else tuple(self._discovery)
            entries = [e for e in catalog.entries() if only is None or e.system in only]
            with self.busy.work("discovery"):
                found.extend(await ask(entries, self.context(), deadline))
                sources, self.findings = merge_sources(self.loaded.config.sources, found)
                self.take(sources)
                known = {candidate.source.url for candidate in found}
                context = await with_leads(self.context(), self.hub.sources.values())
                if context.published or context.image_hosts:
                    led = await ask([e for e in entries if e.system in LED], context, deadline)
                    found.extend(candidate for candidate in led if candidate.source.url not in known)
        sources, self.findings = merge_sources(self.loaded.config.sources, found)
        self.take(sources)
        self.discovered = True

    def take(self, sources: Sequence[SourceConfig]) -> None:
        """Make these sources, those that are new. None is asked anything; what cannot be made is in `failed`."""
        context = self.context()
        for config in sources:
            if config.name in self.hub.sources:
                continue
            self.configs[config.name] = config
            try:
                source = catalog.make(config, context)
                if isinstance(source, RemembersMoves):
                    source.past_moves = self.aliasbook.moves
                if config.system == "local":
                    self._outlive(source)
                self.hub.add(source)
                self.failed.pop(config.name, None)
            except QuarterdeckError as error:
                self.failed[config.name] = error
        self._take_services()

    def _outlive(self, source: Any) -> None:
        from quarterdeck.localruns import Logind

        source.outliving = Logind(self.env)

    def _take_services(self) -> None:
        """Join the services to the hub, where some are configured or could be offered."""
        offers = any(isinstance(source, Deploys) for source in self.hub.sources.values())
        if SERVICES not in self.hub.sources and (self.loaded.config.services or offers):
            from quarterdeck.releasing.servicesource import ServiceSource

            self.hub.add(ServiceSource(self, self.desk))

    @cached_property
    def desk(self) -> Desk:
        """The desk of releases; what it needs is imported when it is asked for first."""
        from quarterdeck.releasing.desk import Desk

        return Desk(self)

    def watch_aliases(self) -> None:
        """Record from now on where aliases are seen to be, until `close`."""
        from quarterdeck.releasing.aliaswatch import AliasWatch

        if self._aliaswatch is None:
            self._aliaswatch = AliasWatch(self.hub, self.aliasbook, self.now)
            self.hub.changes.append(self._aliaswatch.changed)
            self._aliaswatch.start()

    async def reload(self) -> Loaded:
        """Read the config again and exchange what differs. One with errors is not used: the old one stays."""
        loaded = load(self.cwd, config=self.config_path, env=self.env)
        self.refused = loaded.errors
        if loaded.errors:
            return loaded
        old, self.loaded = self.loaded.config, loaded
        self.registry.rebind(self._rebound())
        self._take_commands()
        new = loaded.config
        wanted = {source.name: source for source in new.sources}
        moved = any(
            getattr(old, name) != getattr(new, name) for name in ("services", "models", "repositories", "pipelines")
        )
        for name in list(self.hub.sources):
            configured = any(f.name == name and f.evidence == "configured" for f in self.findings)
            if moved or ((configured or name in wanted) and wanted.get(name) != self.configs.get(name)):
                await self.hub.remove(name)
        self.failed.clear()
        await self.discover()
        return loaded

    async def close(self) -> None:
        """Let everything go, within a few seconds."""
        if self._aliaswatch is not None:
            await self._aliaswatch.close()
        await self.hub.close()
        if self._writing:
            await asyncio.wait(self._writing, timeout=2)
        await asyncio.gather(self.state.aclose(2), self.searching.aclose(1))

    # helpers

    async def bounded(self, work: Awaitable[T], deadline: float, what: str, source: str) -> T:
        """Await with a deadline. Raises Timeout."""
        try:
            async with asyncio.timeout(deadline):
                return await work
        except TimeoutError as error:
            raise Timeout(what, source=source, why=f"no answer within {deadline:g} s") from error

    def _by(self, ref: Ref, at: float) -> tuple[Literal["us", "outside"], str, str]:
        told = self.operator.by(ref, at)
        services = self.hub.sources.get(SERVICES)
        if told[0] == "us" or not isinstance(services, Authors):
            return told
        op, actor = services.by(ref, at)
        return ("us", op, actor) if op else told

    def _keep_changes(self, rows: Sequence[ChangeRow]) -> None:
        async def keep() -> int:
            with suppress(StateError):
                return await self.changelog.add(rows)
            return 0

        task = asyncio.get_running_loop().create_task(keep())
        self._writing.add(task)
        task.add_done_callback(self._writing.discard)


def _bindable(verb: Verb) -> Bindable:
    scopes = frozenset(verb.applies_to) or (frozenset() if verb.screen in ("*", "deck") else frozenset({verb.screen}))
    return Bindable(verb.id, verb.key.split(",")[0], scopes, verb.kind is VerbKind.MUTATION)
