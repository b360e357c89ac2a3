"""Looking for systems, passively: each adapter's own way, and what the engines here know of the others."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from typing import TypeVar
from urllib.parse import urlsplit

import msgspec

from quarterdeck_adapters import catalog
from quarterdeck_adapters.base import Candidate, Context, Published
from quarterdeck_adapters.blocking import call
from quarterdeck_adapters.http import is_loopback
from quarterdeck_lifecycle.errors import QuarterdeckError
from quarterdeck_lifecycle.kinds import Container
from quarterdeck_lifecycle.ports import Source
from quarterdeck_lifecycle.records import Record

LED = ("registry", "mlflow", "prometheus", "buildbot")
"""Systems that engines have leads to, and so are looked for after them."""
LEADS_S = 0.5
T = TypeVar("T")


async def ask(entries: Sequence[catalog.Entry], context: Context, deadline: float) -> list[Candidate]:
    """What the discoveries of these systems find, each within `deadline` seconds; one that fails finds nothing."""

    async def one(entry: catalog.Entry) -> Sequence[Candidate]:
        with suppress(QuarterdeckError, TimeoutError):
            discover = await loaded(entry, lambda: catalog.discoverer(entry))
            if discover is not None:
                async with asyncio.timeout(deadline):
                    found = await discover(context)
                if found:
                    with suppress(QuarterdeckError):  # it is said where the source is made
                        await loaded(entry, lambda: catalog.load(entry.system))
                return found
        return ()

    async def loaded(entry: catalog.Entry, load: Callable[[], T]) -> T:
        """Imported on a thread: what is found is driven next, and the screen would wait for it."""
        return await call(load, deadline=deadline, source=entry.system, what="loading it")

    answers = await asyncio.gather(*(one(entry) for entry in entries))
    return [candidate for answer in answers for candidate in answer]


async def with_leads(context: Context, sources: Iterable[Source]) -> Context:
    """The context with what the engines of this machine know of other systems: image references, published ports."""
    hosts: dict[str, None] = {}
    published: list[Published] = []
    for source in list(sources):
        if source.system != "docker" or not is_local(source.address):
            continue
        for kind in ("container", "image"):
            with suppress(QuarterdeckError, TimeoutError):
                async with asyncio.timeout(LEADS_S):
                    rows = (await source.list(kind)).rows
                hosts.update(dict.fromkeys(filter(None, map(image_host, rows))))
                published.extend(lead for row in rows for lead in published_by(row))
    return msgspec.structs.replace(context, published=tuple(published), image_hosts=tuple(hosts))


def image_host(row: Record) -> str:
    """The registry's host in an image reference (`host:port/name` or `host.name/name`), or an empty string."""
    reference = row.image if isinstance(row, Container) else row.name
    host, slash, _ = reference.partition("/")
    return host if slash and (":" in host or "." in host or host == "localhost") else ""


def published_by(row: Record) -> list[Published]:
    """The ports of a container that this machine's loopback reaches."""
    found: list[Published] = []
    if not isinstance(row, Container):
        return found
    for port in row.ports:
        outside, arrow, _ = port.partition("->")
        host, _, number = outside.rpartition(":")
        if arrow and number.isdigit() and (host in ("0.0.0.0", "::", "[::]", "") or is_loopback(host)):  # noqa: S104
            found.append(Published(container=row.name, image=row.image, address=f"127.0.0.1:{number}"))
    return found


def is_local(address: str) -> bool:
    """Whether an address is on this machine: none, a path, a unix socket, the loopback."""
    if not address or address.startswith(("unix:", "/", "~", ".")):
        return True
    parts = urlsplit(address)
    if parts.scheme in ("", "file"):
        return True
    return parts.scheme in ("http", "https", "tcp") and is_loopback(parts.hostname or "")
