"""What a trace asks for beyond the listings, when it is wanted: the history of commits. Every wait has a deadline."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import msgspec

from quarterdeck_lifecycle.changelog import ChangeRow
from quarterdeck_lifecycle.errors import NotFound, QuarterdeckError, Timeout
from quarterdeck_lifecycle.kinds import Commit, Repository, Tag, TrainingRun
from quarterdeck_lifecycle.ports import Between, ComparesRevisions, Describes, Drills
from quarterdeck_lifecycle.records import Link, Ref
from quarterdeck_lifecycle.state import StateError
from quarterdeck_lifecycle.trace.facts import last_name
from quarterdeck_lifecycle.trace.graph import Graph
from quarterdeck_lifecycle.trace.history import Pair, Relation, relation
from quarterdeck_lifecycle.trace.resolve import Several, resolve
from quarterdeck_lifecycle.trace.thread import Thread

if TYPE_CHECKING:
    from quarterdeck.boot import Boot

DEADLINE_S = 10.0
PAGES = 20
"""Pages of a hundred commits of each repository that a commit is looked for in."""
AT_ONCE = 4
PAIRS = 40
"""So many histories are asked for at most."""
KEPT = timedelta(days=7)
CHANGES = 2000


class Histories(msgspec.Struct, frozen=True, kw_only=True):
    """What lies between pairs of commits (old, new), and why it cannot be told for the others."""

    found: Mapping[Pair, Between] = {}
    why: Mapping[Pair, str] = {}


async def find(words: str, boot: Boot, graph: Graph) -> tuple[Ref, ...]:
    """What the words name; where no row tells of it, the histories of the repositories are read for it.

    Raises Several, LookupError.
    """
    try:
        return resolve(words, graph)
    except Several:
        raise
    except LookupError:
        named = words.startswith("git:") or ":" not in words
        tellers = graph.telling("training_run", words, "version")
        if not await origins(boot, graph, tellers) and not (named and await _read_until(words, boot, graph)):
            raise
        return resolve(words, graph)


async def _read_until(words: str, boot: Boot, graph: Graph) -> bool:
    """Read histories a page of each repository at a time until the words name something; whether they do."""
    pages: dict[Ref, str] = {record.ref: "" for record in graph.records("repository")}
    with suppress(TimeoutError):
        async with asyncio.timeout(DEADLINE_S):
            for _ in range(PAGES):
                for ref, page in list(pages.items()):
                    pages[ref] = await read_page(boot, graph, ref, page)
                    if not pages[ref]:
                        del pages[ref]
                try:
                    resolve(words, graph)
                except Several:
                    return True
                except LookupError:
                    if not pages:
                        return False
                    continue
                return True
    return False


async def read_page(boot: Boot, graph: Graph, ref: Ref, page: str = "") -> str:
    """Take a page of a repository's commits into the graph; answers the next page, empty at the end or on failure."""
    source = boot.hub.sources.get(ref.source)
    if not isinstance(source, Drills):
        return ""
    with boot.busy.work(f"history of {ref.id}"):
        try:
            listing, following = await source.children(ref, page)
        except QuarterdeckError:
            return ""
    for row in listing.rows:
        if isinstance(row, Commit):
            graph.add(row)
    return following


async def more(boot: Boot, graph: Graph, thread: Thread) -> bool:
    """What a thread on the screen is worth asking for: the commits' subjects, the manifests behind an index.

    Answers whether anything was learned; what does not answer in time stays as it is.
    """
    before = graph.size.links
    shas = {node.ref.id for node in thread.nodes if node.ref.kind == "commit" and node.record is None}
    pages = [row.ref for row in _repositories(graph, shas)][:AT_ONCE] if shas else []
    tags = [node.record for node in thread.nodes if isinstance(node.record, Tag) and len(node.record.platforms) > 1]
    jobs = [read_page(boot, graph, ref) for ref in pages]
    with suppress(TimeoutError):
        async with asyncio.timeout(DEADLINE_S):
            await asyncio.gather(
                *jobs, *(_platforms(boot, graph, tag) for tag in tags[:AT_ONCE]),
                origins(boot, graph, unread(thread, graph)),
            )  # fmt: skip
    return graph.size.links != before


async def origins(boot: Boot, graph: Graph, versions: Iterable[Ref]) -> bool:
    """Take the training runs of model versions into the graph, which lists only the newest; whether there are any."""
    limit = asyncio.Semaphore(AT_ONCE)

    async def ask(ref: Ref) -> bool:
        source = boot.hub.sources.get(ref.source)
        if not isinstance(source, Drills):
            return False
        runs: list[TrainingRun] = []
        with boot.busy.work(f"training run of {ref.id}"), suppress(QuarterdeckError, TimeoutError):
            async with limit, asyncio.timeout(DEADLINE_S):
                listing, _ = await source.children(ref)
                runs = [row for row in listing.rows if isinstance(row, TrainingRun)]
        for row in runs:
            graph.add(row)
        return bool(runs)

    return any(await asyncio.gather(*map(ask, versions)))


def unread(thread: Thread, graph: Graph) -> list[Ref]:
    """The model versions of a thread whose training run no listing holds."""
    runs = [node.ref.id for node in thread.nodes if node.ref.kind == "training_run" and node.record is None]
    return list(dict.fromkeys(ref for id in runs for ref in graph.telling("training_run", id, "version")))[:AT_ONCE]


async def _platforms(boot: Boot, graph: Graph, tag: Tag) -> None:
    """Learn the digests of the manifests that an index lists (OCI image index, `manifests`)."""
    source = boot.hub.sources.get(tag.ref.source)
    if not isinstance(source, Describes):
        return
    with boot.busy.work(f"manifests of {tag.name}"), suppress(QuarterdeckError):
        for section in await source.describe(tag.ref):
            if section.title == "Platforms" and section.table:
                links = [
                    Link(kind="digest", value=row[1], evidence=f"manifest for {row[0]} in the index {tag.name}")
                    for row in section.table[1:] if len(row) > 1
                ]  # fmt: skip
                graph.learn(tag.ref, links)


async def past(boot: Boot) -> list[ChangeRow]:
    """The recorded changes of the last days; none where the state cannot be read."""
    with suppress(StateError):
        return list(await boot.changelog.recent(since=datetime.now(UTC) - KEPT, limit=CHANGES))
    return []


async def between(boot: Boot, graph: Graph, pairs: Iterable[Pair]) -> Histories:
    """Ask the repositories what lies between pairs of commits, a few at a time."""
    limit = asyncio.Semaphore(AT_ONCE)
    wanted = list(dict.fromkeys(pairs))[:PAIRS]

    async def ask(pair: Pair) -> Between | str:
        async with limit:
            return await _between(boot, graph, pair)

    answers = dict(zip(wanted, await asyncio.gather(*map(ask, wanted)), strict=True))
    return Histories(
        found={pair: said for pair, said in answers.items() if isinstance(said, Between)},
        why={pair: said for pair, said in answers.items() if isinstance(said, str)},
    )


def relations(found: Histories, graph: Graph) -> dict[Pair, Relation]:
    """How each asked commit stands to the one that runs."""
    return {pair: relation(said, _subject(graph, pair[0])) for pair, said in found.found.items()}


async def _between(boot: Boot, graph: Graph, pair: Pair) -> Between | str:
    why = "no repository is listed here"
    with boot.busy.work("history between two commits"):
        for repository in _repositories(graph, pair):
            source = boot.hub.sources.get(repository.ref.source)
            if not isinstance(source, ComparesRevisions):
                continue
            try:
                async with asyncio.timeout(DEADLINE_S):
                    return await source.between(repository.path, *pair)
            except NotFound as error:
                why = f"no repository here has both commits: {error}"
            except (QuarterdeckError, TimeoutError) as error:
                why = str(error) or str(Timeout("the history", source=source.name, why=f"not within {DEADLINE_S:g} s"))
    return why


def _repositories(graph: Graph, shas: Iterable[str]) -> Iterator[Repository]:
    """The repositories to ask, those first that what tells of the commits names as its own."""
    named: set[str] = set()
    for sha in shas:
        for ref in graph.telling("commit", sha):
            known = graph.known(ref)
            named |= {last_name(home) for home in known.of("repository")}
            if ref.kind == "commit":
                named.add(last_name(ref.id.partition("\0")[0]))
    rows = [row for row in graph.records("repository") if isinstance(row, Repository)]
    yield from sorted(rows, key=lambda row: last_name(row.path) not in named)


def _subject(graph: Graph, sha: str) -> str:
    for ref in graph.telling("commit", sha, "commit", "repository"):
        record = graph.record(ref)
        if subject := getattr(record, "subject", ""):
            return str(subject)
    return ""
