"""Engines for the adapter's tests: the practice one and, where it can run, a real one, behind the same fixture."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from typing import Any, TypeVar

import pytest

from contract.docker_subjects import Practice, Subject
from quarterdeck_adapters.base import Context, SourceConfig
from quarterdeck_adapters.docker.adapter import DockerSource
from quarterdeck_config.schema import Config
from quarterdeck_lifecycle.records import Record

T = TypeVar("T")
DEADLINE_S = 30.0


class Rig:
    """One engine with a network `test-net`, an image `test/box:1` unless the test has a `box`, and a source on it."""

    def __init__(self, subject: Subject, practice: Practice | None, engine: Any) -> None:
        self.subject, self.practice, self.engine = subject, practice, engine
        self.source = make_source(subject.url)

    @property
    def real(self) -> bool:
        """Whether it is a real engine."""
        return self.subject.real

    def crash(self) -> None:
        """The engine dies and comes back; what it runs goes on or not, as its own way is."""
        if self.practice is not None:
            self.practice.restart()
        else:
            self.engine.kill()
            self.engine.start()

    async def row(self, name: str, kind: str = "container") -> Any:
        """The row of this name."""
        rows: list[Record] = list((await self.source.list(kind)).rows)
        return next(row for row in rows if row.name == name)

    async def row_when(self, name: str, ready: Callable[[Any], object], kind: str = "container") -> Any:
        """The row of this name, once it is as wanted."""

        async def look() -> Any:
            row = await self.row(name, kind)
            return row if ready(row) else None

        return await until(look, f"{name} to be ready")


def make_source(url: str, env: Mapping[str, str] | None = None, **config: Any) -> DockerSource:
    """A source on an address."""
    context = Context(secret=lambda _: "", env=env or {}, config=Config(), project="/")
    return DockerSource(SourceConfig(name="local", system="docker", url=url or None, **config), context)


async def until(look: Callable[[], Any], what: str) -> Any:
    """Await `look()` until it answers something true."""
    begun = time.monotonic()
    while not (found := await look()):
        waited = time.monotonic() - begun
        if waited > DEADLINE_S:
            raise AssertionError(f"waited {DEADLINE_S:g} s for {what}")
        await asyncio.sleep(min(max(0.02, waited / 20), 0.05))
    return found


@pytest.fixture(params=["practice", pytest.param("real", marks=pytest.mark.real("docker.io", "busybox-static"))])
def bare_rig(request: pytest.FixtureRequest) -> Iterator[Rig]:
    """An engine that a test may crash."""
    if request.param == "practice":
        practice, engine = Practice(None, time.time), None
        subject = Subject(practice.url, real=False)
    else:
        practice, engine = None, request.getfixturevalue("fresh_engine")
        subject = Subject(engine.url, real=True)
    try:
        if "box" not in request.fixturenames:
            subject.image(changes=('CMD ["sh", "-c", "sleep 1000"]', "LABEL team=fraud"))
        subject.api.create_network("test-net", driver="bridge")
        yield Rig(subject, practice, engine)
    finally:
        if engine is not None:
            engine.start()
        subject.clear()
        subject.close()
        if practice is not None:
            practice.close()


@pytest.fixture
async def rig(bare_rig: Rig) -> AsyncIterator[Rig]:
    """An engine and an open source on it."""
    try:
        yield bare_rig
    finally:
        await bare_rig.source.close()


@pytest.fixture
def box(request: pytest.FixtureRequest, rig: Rig) -> Any:
    """A container to release on each engine, with a registry that runs: a `boxcase.Box`."""
    from .boxcase import Box

    registry = request.getfixturevalue("registry") if rig.real else None
    if registry is not None:
        registry.start()
    return Box(rig, registry)
