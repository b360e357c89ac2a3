"""The tags of a registry, kept current cheaply: a HEAD for each tag's digest, and each digest is read only once."""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import TypeVar

from quarterdeck_adapters.base import SourceConfig
from quarterdeck_adapters.registry.client import Head, Manifest, RegistryClient
from quarterdeck_adapters.registry.content import (
    CONFIGS,
    Detail,
    child,
    children,
    chosen,
    image_detail,
    index_detail,
    is_index,
    links,
    parse,
    section,
)
from quarterdeck_adapters.registry.reference import is_name, is_tag, newest_first
from quarterdeck_lifecycle.errors import (
    AuthFailed,
    Forbidden,
    NotFound,
    QuarterdeckError,
    RateLimited,
    Timeout,
    Unsupported,
)
from quarterdeck_lifecycle.kinds import Tag
from quarterdeck_lifecycle.ports import Listing
from quarterdeck_lifecycle.records import Ref, Status

MOST_REPOSITORIES, MOST_TAGS, MOST_ROWS, MOST_LISTED = 200, 50, 1000, 5000
MOST_HEADS = 300
"""Tags whose digest is asked for in one round; the rest take turns."""
AT_ONCE = 8
DETAILS_S = 4.0
"""Seconds of a round that may go into reading new digests; the rest come with the next rounds."""
MOST_DETAILS = 4000
Place = tuple[str, str]
T = TypeVar("T")
K = TypeVar("K")


class Inventory:
    """The lists of one registry."""

    def __init__(self, client: RegistryClient, config: SourceConfig, environment: str) -> None:
        self.pending = 0
        self.known: dict[Place, Head] = {}
        self._client = client
        self._config = config
        self._environment = environment
        self._details: OrderedDict[str, Detail] = OrderedDict()
        self._checked: dict[Place, int] = {}
        self._round = 0

    async def listing(self) -> Listing:
        """Every tag, bounded. Raises QuarterdeckError."""
        began = time.monotonic()
        said: list[str] = []
        names, more = await self._repositories()
        if more:
            said.append(f"the first {len(names)} repositories")
        wrong = [name for name in names if not is_name(name)]
        if wrong:
            said.append(f"{len(wrong)} names left out, which are no names of repositories")
        places, total, cut = await self._tags([name for name in names if is_name(name)])
        said += cut
        said += await self._heads(places)
        shown = [place for place in places if place in self.known]
        said += await self._read(shown, began + DETAILS_S)
        rows = list(self._rows(shown))
        return Listing(rows=rows, partial="; ".join(said), total=max(total, len(rows)))

    async def _repositories(self) -> tuple[Sequence[str], bool]:
        if self._config.repos:
            named = list(dict.fromkeys(self._config.repos))
            return named[:MOST_REPOSITORIES], len(named) > MOST_REPOSITORIES
        try:
            return await self._client.catalog(MOST_REPOSITORIES)
        except (NotFound, Forbidden) as error:
            raise Unsupported(
                "the registry does not list its repositories", source=self._client.source, why=error.why,
                mend="name them under repos: of this source",
            ) from error  # fmt: skip

    async def _tags(self, names: Sequence[str]) -> tuple[list[Place], int, list[str]]:
        answers, lost = await each(names, lambda name: self._client.tags(name, MOST_LISTED))
        most = min(MOST_TAGS, max(1, MOST_ROWS // max(1, len(names))))
        said, places, total = [], [], 0
        for name, (tags, _) in answers.items():
            good = newest_first([tag for tag in tags if is_tag(tag)])
            total += len(good)
            places += [(name, tag) for tag in good[:most]]
            if len(good) > most:
                said.append(f"{name}: {most} of {len(good)} tags")
        missing = [name for name, error in lost.items() if isinstance(error, NotFound)]
        other = {name: error for name, error in lost.items() if name not in missing}
        if self._config.repos and missing:
            said += [f"{name}: no such repository" for name in missing[:3]]
        if other and len(other) == len(names):
            raise next(iter(other.values()))
        return places, total, [*some(said), *some([f"{name}: {error.short}" for name, error in other.items()])]

    async def _heads(self, places: Sequence[Place]) -> list[str]:
        self._round += 1
        listed = set(places)
        self.known = {place: head for place, head in self.known.items() if place in listed}
        self._checked = {place: at for place, at in self._checked.items() if place in listed}
        turn = sorted(places, key=lambda place: self._checked.get(place, 0))[:MOST_HEADS]
        found, lost = await each(turn, lambda place: self._client.head(*place))
        for place in turn:
            self._checked[place] = self._round
            head = found.get(place)
            if head is not None:
                self.known[place] = head
            elif place in found:
                self.known.pop(place, None)
        if lost and len(lost) == len(turn):
            raise next(iter(lost.values()))
        late = len(places) - len(turn)
        return [
            *([f"{late} tags take turns, {MOST_HEADS} a round"] if late else []),
            *some([f"{name}:{tag}: {error.short}" for (name, tag), error in lost.items()]),
        ]

    async def _read(self, places: Sequence[Place], until: float) -> list[str]:
        wanted: dict[str, str] = {}
        for name, tag in places:
            wanted.setdefault(self.known[name, tag].digest, name)
        todo = [digest for digest in wanted if digest not in self._details]
        stopped: QuarterdeckError | None = None

        async def read(digest: str) -> None:
            nonlocal stopped
            if stopped is not None or time.monotonic() > until:
                return
            try:
                await self.detail(wanted[digest], digest)
            except RateLimited as error:
                stopped = error

        _, lost = await each(todo, read, fatal=())
        left = [digest for digest in todo if digest not in self._details and digest not in lost]
        self.pending = len(left) if stopped is None else 0
        while len(self._details) > max(MOST_DETAILS, len(wanted)):
            self._details.popitem(last=False)
        said = some([f"{digest[:19]}: {error.short}" for digest, error in lost.items()])
        if left:
            said.append(f"{len(left)} digests still to be read{f' ({stopped.short})' if stopped else ''}")
        return said

    async def detail(self, repository: str, digest: str) -> Detail:
        """What a digest stands for, from memory or read now. Raises QuarterdeckError."""
        known = self._details.get(digest)
        if known is not None:
            self._details.move_to_end(digest)
            return known
        manifest = await self._client.manifest(repository, digest)
        made = await self._made(repository, manifest)
        self._details[digest] = made
        return made

    async def _made(self, repository: str, manifest: Manifest, depth: int = 0) -> Detail:
        document = parse(manifest.data)
        if is_index(manifest.media_type, document):
            one = chosen(children(document))
            image = None
            if one is not None and depth == 0:
                try:
                    image = await self._made(repository, await self._client.manifest(repository, one.digest), 1)
                except NotFound:
                    # A platform may be left out of a mirror.
                    image = None
            return index_detail(manifest, image)
        named = child(section(document.get("config")))
        config = {}
        if named.digest and named.media_type in CONFIGS:
            config = section(await self._client.config(repository, named.digest))
        return image_detail(manifest, config)

    def _rows(self, places: Iterable[Place]) -> Iterable[Tag]:
        shared: dict[tuple[str, str], list[str]] = {}
        for name, tag in places:
            shared.setdefault((name, self.known[name, tag].digest), []).append(tag)
        for name, tag in places:
            head = self.known[name, tag]
            twins = [other for other in shared[name, head.digest] if other != tag]
            yield self.row(name, tag, head, twins)

    def row(self, name: str, tag: str, head: Head, twins: Sequence[str]) -> Tag:
        """One tag. `twins` are the other tags on its digest."""
        detail = self._details.get(head.digest) or Detail(kind="")
        image = f"{self._client.host}/{name}:{tag}"
        more = f" and {len(twins) - 5} more" if len(twins) > 5 else ""
        same = f"same digest as {', '.join(twins[:5])}{more}" if twins else ""
        return Tag(
            ref=Ref(self._client.source, "tag", f"{name}:{tag}"),
            name=f"{name}:{tag}",
            status=Status.OK,
            state=detail.kind,
            updated_at=detail.created_at,
            environment=self._environment,
            note="; ".join(part for part in (same, detail.note) if part),
            links=links(image, head.digest, detail.labels),
            registry=self._client.host,
            repository=name,
            tag=tag,
            digest=head.digest,
            media_type=head.media_type,
            size=detail.size,
            platforms=detail.platforms,
            labels=detail.labels,
            created_at=detail.created_at,
        )


async def each(
    keys: Sequence[K],
    work: Callable[[K], Awaitable[T]],
    fatal: tuple[type[QuarterdeckError], ...] = (RateLimited, Timeout),
) -> tuple[dict[K, T], dict[K, QuarterdeckError]]:
    """`work` for each key, eight at once: answers and errors by key.

    A `fatal` error says that the registry itself is in trouble: it ends the rest and is raised. So is a login that
    was refused eight times and accepted never.
    """
    found: dict[K, T] = {}
    lost: dict[K, QuarterdeckError] = {}
    todo = iter(keys)

    async def worker() -> None:
        for key in todo:
            try:
                found[key] = await work(key)
            except QuarterdeckError as error:
                lost[key] = error
                hopeless = isinstance(error, AuthFailed) and not found and len(lost) >= AT_ONCE
                if hopeless or isinstance(error, fatal):
                    raise

    try:
        async with asyncio.TaskGroup() as group:
            for _ in range(min(AT_ONCE, len(keys))):
                group.create_task(worker())
    except* QuarterdeckError as errors:
        raise next(leaf for leaf in leaves(errors)) from None
    return {key: found[key] for key in keys if key in found}, {key: lost[key] for key in keys if key in lost}


def leaves(group: BaseExceptionGroup[QuarterdeckError]) -> Iterable[QuarterdeckError]:
    """The errors in a group."""
    for error in group.exceptions:
        if isinstance(error, BaseExceptionGroup):
            yield from leaves(error)
        else:
            yield error


def some(texts: Sequence[str], most: int = 3) -> list[str]:
    """The first few, and how many more there are."""
    return [*texts[:most], *([f"and {len(texts) - most} more"] if len(texts) > most else [])]
