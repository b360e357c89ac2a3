"""The source `git`: every repository configured or found here, each a row."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence

from quarterdeck_adapters.base import Context, SourceConfig
from quarterdeck_adapters.blocking import call
from quarterdeck_adapters.git import details, history
from quarterdeck_adapters.git.acting import actions
from quarterdeck_adapters.git.between import between
from quarterdeck_adapters.git.command import READ_S, Git, Opened
from quarterdeck_adapters.git.finding import around, expand
from quarterdeck_adapters.git.mapping import unique_names
from quarterdeck_adapters.git.reading import Reader, unread
from quarterdeck_adapters.git.watching import Mark, mark
from quarterdeck_config.paths import home_dir
from quarterdeck_lifecycle.errors import NotFound, Unsupported
from quarterdeck_lifecycle.kinds import Repository
from quarterdeck_lifecycle.ports import Action, Between, Listing, Probe, Section
from quarterdeck_lifecycle.records import Record, Ref, Status

AT_ONCE = 4
LISTING_S = 9.0
LOOK_S = 2.0
FULL_S = 15.0


class GitSource:
    """Repositories on this machine. `config.repos` are paths and patterns; none: those around the working folder."""

    system = "git"
    kinds: tuple[str, ...] = ("repository",)
    watched_kinds: tuple[str, ...] = ("repository",)

    def __init__(self, config: SourceConfig, context: Context, *, look_s: float = LOOK_S) -> None:
        self.name = config.name
        self.environment = config.environment or ""
        self.address = context.project
        self._config = config
        self._context = context
        self._look_s = look_s
        self.git = Git(config.name, context.env, config.deadline or READ_S)
        self._reader = Reader(self.git)
        self._at_once = asyncio.Semaphore(AT_ONCE)
        self.actions: Mapping[str, Action] = actions(self)

    async def probe(self) -> Probe:
        """Git's version and where the repositories are."""
        version, paths = await asyncio.gather(self.git.version(), self.paths())
        return Probe(version=version, evidence=f"{len(paths)} repositories: {', '.join(paths[:5])}")

    async def paths(self) -> tuple[str, ...]:
        """The repositories as they are now: patterns are looked up each time."""
        patterns = self._config.repos or self._context.config.repositories
        base, home = self._context.project, str(home_dir(self._context.env))

        def look() -> Sequence[str]:
            return expand(patterns, base, home) if patterns else around(base)

        return tuple(await call(look, deadline=self.git.deadline, source=self.name, what="looking for repositories"))

    async def list(self, kind: str) -> Listing:
        """A row for each repository; one that cannot be read is a row in trouble. Raises ToolMissing without git."""
        if kind != "repository":
            raise Unsupported(f"git has no {kind}", source=self.name)
        names = unique_names(await self.paths())
        tasks = {path: asyncio.create_task(self._row(path, name)) for path, name in names.items()}
        try:
            if tasks:
                await asyncio.wait(tasks.values(), timeout=LISTING_S)
            late = unread(LISTING_S, self.name)
            rows = [
                task.result() if task.done() else self._reader.in_trouble(path, names[path], late)
                for path, task in tasks.items()
            ]
            return Listing(rows=rows)
        finally:
            for task in tasks.values():
                task.cancel()
            await asyncio.gather(*tasks.values(), return_exceptions=True)

    async def _row(self, path: str, name: str) -> Repository:
        async with self._at_once:
            return await self._reader.row(path, name)

    def interval(self, kind: str, rows: Sequence[Record]) -> float:  # noqa: ARG002
        """15 s, for files changed in work trees; twice that where reading is slow."""
        slow = any(row.status is Status.UNKNOWN for row in rows)
        return self._config.interval or (2 * FULL_S if slow else FULL_S)

    async def watch(self, kind: str) -> AsyncIterator[None]:
        """Yields when something was committed, fetched, staged or switched, and every 15 s for changed files."""
        if kind not in self.watched_kinds:
            raise Unsupported(f"git cannot watch {kind}", source=self.name)
        loop = asyncio.get_running_loop()
        seen, listed = await self._mark(), loop.time()
        yield
        while True:
            await asyncio.sleep(self._look_s)
            now = await self._mark()
            if now != seen or loop.time() - listed >= self.interval(kind, ()):
                seen, listed = now, loop.time()
                yield

    async def _mark(self) -> Mark:
        paths = await self.paths()
        return await call(lambda: mark(paths), deadline=self.git.deadline, source=self.name, what="looking for changes")

    async def open(self, ref: Ref) -> Opened:
        """The repository of a ref. Raises NotFound for one that is not of this source, whoever wrote the ref."""
        path = ref.id.partition("\0")[0]
        if path not in await self.paths():
            mend = "see `quarterdeck status`"
            raise NotFound(f"{path} is not a repository of {self.name}", source=self.name, mend=mend)
        return await self.git.open(path)

    async def read(self, ref: Ref) -> Repository:
        """The repository as it is now. Raises QuarterdeckError."""
        opened = await self.open(ref)
        return await self._reader.read(opened, unique_names(await self.paths()).get(opened.path, opened.path))

    async def describe(self, ref: Ref) -> Sequence[Section]:
        """The tabs of a repository, or of a commit."""
        opened = await self.open(ref)
        if ref.kind == "commit":
            return await history.commit_sections(self.git, opened, ref.id.partition("\0")[2])
        return await details.repository_sections(self.git, opened)

    async def children(self, ref: Ref, page: str = "") -> tuple[Listing, str]:
        """A hundred commits of the current branch, newest first; `page` counts those before."""
        if ref.kind != "repository":
            return Listing(rows=()), ""
        return await history.commits(self.git, await self.open(ref), page)

    async def between(self, path: str, old: str, new: str) -> Between:
        """What lies between two commits of the repository at `path`. Raises QuarterdeckError."""
        return await between(self.git, await self.open(Ref(self.name, "repository", path)), old, new)

    async def close(self) -> None:
        """Nothing is held between two calls."""
