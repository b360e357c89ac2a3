"""What is told beside a hop and has to be asked for: what came with a release, the data that a model was trained on."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING

import msgspec

from quarterdeck.tracing import fetching
from quarterdeck_lifecycle.errors import QuarterdeckError
from quarterdeck_lifecycle.ports import Describes
from quarterdeck_lifecycle.trace.graph import Graph
from quarterdeck_lifecycle.trace.hops import Hop
from quarterdeck_lifecycle.trace.since import Since, since
from quarterdeck_lifecycle.trace.thread import Node, Thread

if TYPE_CHECKING:
    from quarterdeck.boot import Boot

MOST = 4


class Aside(msgspec.Struct, frozen=True, kw_only=True):
    """One line below a hop, its evidence, and the lines that it opens."""

    hop: Hop
    words: str
    evidence: str
    lines: tuple[str, ...] = ()


async def asides(boot: Boot, graph: Graph, thread: Thread) -> tuple[Aside, ...]:
    """Everything that is told beside the hops of a thread; what does not answer in time is left out."""
    steps = since(thread, graph)[:MOST]
    runs = [node for node in thread.of(Hop.TRAINING) if node.record is not None][:MOST]
    histories, data = await asyncio.gather(
        fetching.between(boot, graph, [(each.old, each.new) for each in steps]),
        asyncio.gather(*(_data(boot, node) for node in runs)),
    )
    found = [_came(each, histories) for each in steps]
    return tuple(aside for aside in (*found, *data) if aside is not None)


def _came(each: Since, histories: fetching.Histories) -> Aside | None:
    said = histories.found.get((each.old, each.new))
    if said is None:
        return None
    count = f"{len(said.commits)} commit{'' if len(said.commits) == 1 else 's'}"
    back = f", {len(said.gone)} taken back" if said.gone else ""
    return Aside(
        hop=Hop.COMMIT, words=f"└ {count} since {each.old[:7]}{back} in {each.environment or 'place of it'}",
        evidence=each.evidence,
        lines=(*(f"+ {c.sha[:10]} {c.subject} ({c.author})" for c in said.commits),
               *(f"- {c.sha[:10]} {c.subject} ({c.author})" for c in said.gone)),
    )  # fmt: skip


async def _data(boot: Boot, node: Node) -> Aside | None:
    """The data sets of a training run, as its registry tells them."""
    source = boot.hub.sources.get(node.ref.source)
    if not isinstance(source, Describes):
        return None
    with boot.busy.work(f"data of {node.name}"), suppress(QuarterdeckError, TimeoutError):
        async with asyncio.timeout(fetching.DEADLINE_S):
            sections = await source.describe(node.ref)
        rows = next((section.table[1:] for section in sections if section.title == "Inputs"), ())
        if rows:
            first = f"{rows[0][0]} {rows[0][1]}".strip()
            more = f" +{len(rows) - 1}" if len(rows) > 1 else ""
            return Aside(
                hop=Hop.TRAINING, words=f"└ data {first}{more}", evidence=f"inputs of the run {node.name}",
                lines=tuple("  ".join(row) for row in rows),
            )  # fmt: skip
    return None
