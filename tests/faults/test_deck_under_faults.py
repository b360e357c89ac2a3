"""Every fault on every network adapter at once: the screen stays up, says what is wrong, keeps the last good rows."""

from __future__ import annotations

import asyncio
import tempfile
from pathlib import Path

import msgspec
import pytest

from deckcase import Deck, deck
from quarterdeck_config.load import load
from quarterdeck_config.schema import Config
from quarterdeck_demo.faults import (
    BlackHole,
    ClockSkew,
    DuplicatePages,
    Hostile,
    Html,
    Huge,
    Reset,
    Status,
    TokenLoop,
    Truncate,
)
from quarterdeck_demo.world import World
from quarterdeck_lifecycle.errors import RateLimited
from quarterdeck_lifecycle.feed import Snapshot
from quarterdeck_lifecycle.records import State

BREAKING = {
    "401": Status(code=401),
    "403": Status(code=403),
    "404": Status(code=404),
    "409": Status(code=409),
    "410": Status(code=410),
    "429 with Retry-After": Status(code=429, retry_after=1),
    "500": Status(code=500),
    "503": Status(code=503),
    "black hole": BlackHole(),
    "reset": Reset(),
    "HTML": Html(),
    "truncated": Truncate(),
    "truncated, said to be whole": Truncate(framed=False),
    "429 without": Status(code=429),  # last: GitHub's rule is then a pause of a minute
}
BENDING = {
    "duplicate pages": DuplicatePages(),
    "token loop": TokenLoop(),
    "clock skew": ClockSkew(seconds=7200),
    "hostile strings": Hostile(),
    "a huge body": Huge(size=3_000_000),
}
NETWORK = ("github", "mlflow", "prometheus", "registry")


def quick(config: Config) -> Config:
    """The practice world's config with deadlines of a second, so that a black hole is soon known as one."""
    sources = tuple(msgspec.structs.replace(source, deadline=1.0) for source in config.sources)
    return msgspec.structs.replace(config, sources=sources, repositories=())


async def asked_again(d: Deck) -> None:
    """Have every source listed once more."""
    before = {id(feed): feed.snapshot.fetched_at for feed in d.app.boot.hub._feeds.values() if feed.running}
    assert before
    for feed in d.app.boot.hub._feeds.values():
        if feed.running:
            feed.poke()
    async with asyncio.timeout(30):
        await d.app.busy.idle(30)
    await d.pilot.pause()


def network(d: Deck) -> list[Snapshot]:
    """The snapshots of the sources behind the network, without kinds that are fed only while they are shown."""
    quiet = d.app.boot.hub.quiet
    return [s for s in d.app.boot.hub.snapshots() if s.system in NETWORK and s.kind not in quiet]


async def recovered(d: Deck, name: str) -> None:
    """Ask until everything is fresh again: a pause that a system asked for is kept first."""
    try:
        async with asyncio.timeout(20):
            while True:
                await asked_again(d)
                sad = [snap for snap in network(d) if snap.state is not State.FRESH]
                if all(isinstance(snap.error, RateLimited) and name == "429 without" for snap in sad):
                    return
    except TimeoutError:
        sad = [f"{s.source} {s.kind}: {s.error}" for s in network(d) if s.state is not State.FRESH]
        raise AssertionError(f"not recovered from {name}: {sad}") from None


async def test_every_fault_is_shown_and_outlived(isolated_home: Path) -> None:
    folder = Path(tempfile.mkdtemp(prefix="qdf-"))
    world = World(3, folder / "w", ci=())
    endpoints = await world.start()
    try:
        env = {"XDG_CONFIG_HOME": str(Path(endpoints["config"]).parent.parent), "HOME": str(folder)}
        loaded = load(folder / "w", env=env)
        assert not loaded.errors
        async with deck(config=quick(loaded.config), size=(160, 45)) as d:
            await d.until(
                lambda: all(s.state is State.FRESH for s in network(d)),
                "everything is fresh",
            )
            rows = {(s.source, s.kind): len(s.rows) for s in network(d)}
            notes = {row.note for snap in network(d) for row in snap.rows}
            assert sum(rows.values()) > 30
            for name, fault in BREAKING.items():
                for server in world.servers.values():
                    server.faults.add(fault)
                await asked_again(d)
                for snap in network(d):
                    if snap.kind in ("endpoint", "series"):  # asked only for what is declared, or for a new step
                        continue
                    new = {row.note for row in snap.rows} - notes
                    said = snap.error is not None or snap.partial or new
                    # An unchanged answer is a 304 without a body, which nothing can cut.
                    uncut = name.startswith("truncated") and snap.system == "github"
                    assert said or uncut, f"{name}: {snap.source} {snap.kind} says nothing"
                    kept = rows[snap.source, snap.kind]
                    # A deployment is a row when its state has been read, which takes several refreshes.
                    whole = len(snap.rows) >= kept if snap.kind == "deployment" else len(snap.rows) == kept
                    assert whole, f"{name}: {snap.source} {snap.kind} has {len(snap.rows)} of {kept}"
                assert d.app.screen is d.app.deck
                assert "✗" in d.text or "◐" in d.text, f"{name}: nothing on the screen\n{d.text}"
                for server in world.servers.values():
                    server.faults.clear()
                await recovered(d, name)
            for name, fault in BENDING.items():
                for server in world.servers.values():
                    server.faults.add(fault)
                await asked_again(d)
                for snap in network(d):
                    refs = [row.ref for row in snap.rows]
                    assert len(refs) == len(set(refs)), f"{name}: {snap.source} {snap.kind} shows a row twice"
                assert "\x1b" not in d.text, name
                assert "\x9b" not in d.text, name
                for server in world.servers.values():
                    server.faults.clear()
                await asked_again(d)
    finally:
        await world.stop()


pytestmark = pytest.mark.xdist_group("faults")
