"""What a verb on a whole source or project touches, what its interruption leaves, whose a change is."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from quarterdeck_lifecycle.errors import Unavailable
from quarterdeck_lifecycle.hub import Hub
from quarterdeck_lifecycle.ledger import Actor, Ledger
from quarterdeck_lifecycle.operate import OURS_S, Operator
from quarterdeck_lifecycle.policy import Place, Policy
from quarterdeck_lifecycle.records import Ref, Status
from quarterdeck_lifecycle.state import StateDB
from quarterdeck_lifecycle.verbs import Registry, Verb, built_in
from scripted import Scripted, container

REF = Ref("local", "container", "id-a")
SOURCE = Ref("local", "source", "local")
PROJECT = Ref("local", "project", "shop")


class Bench:
    def __init__(self, folder: Path) -> None:
        self.at = 1000.0
        rows = [
            container("a"),
            container("old", "exited 0", Status.IDLE, environment="gold"),
            container("web", environment="gold", project="shop"),
        ]
        self.source = Scripted(rows=rows)
        for id in ("container.prune", "project.down"):
            self.source.actions[id] = self.source.stop
        self.hub = Hub([self.source], now=lambda: self.at)
        self.db = StateDB(folder)
        self.ledger = Ledger(self.db, Actor.current(), str)
        self.policy = Policy(protected=lambda name: name == "gold")
        self.operator = Operator(self.hub, Registry(built_in()), self.policy, self.ledger, now=lambda: self.at)

    def verb(self, id: str) -> Verb:
        found = self.operator.registry.get(id)
        assert found is not None
        return found


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    made = Bench(tmp_path / "state")
    await made.hub.once(1)
    yield made
    await made.db.aclose()


async def test_pruning_is_refused_while_a_row_it_would_take_is_protected(bench: Bench) -> None:
    prune = bench.verb("container.prune")
    assert "gold is protected" in (bench.operator.why_not(prune, SOURCE, None) or "")
    assert bench.operator.confirmation(prune, SOURCE, None) == "typed"
    bench.policy.open_for(Place("local", "gold"), "INC-1")
    assert bench.operator.why_not(prune, SOURCE, None) is None


async def test_a_project_has_the_protection_of_its_containers(bench: Bench) -> None:
    up = bench.verb("project.up")
    bench.source.actions["project.up"] = bench.source.stop
    assert "gold is protected" in (bench.operator.why_not(up, PROJECT, None) or "")
    assert bench.operator.confirmation(up, PROJECT, None) == "typed"


async def test_leaving_in_the_middle_is_in_the_ledger_as_unknown(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun = asyncio.Event()

    async def hangs(preview: object) -> str:
        begun.set()
        await asyncio.Event().wait()
        return ""

    monkeypatch.setattr(bench.source.stop, "execute", hangs)
    stop = bench.verb("container.stop")
    preview = await bench.operator.preview(stop, REF, {"timeout": "5"})
    task = asyncio.create_task(bench.operator.perform(preview))
    await begun.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    last = (await bench.ledger.rows())[0]
    assert (last.phase, last.result.partition(":")[0]) == ("outcome", "UNKNOWN")


async def test_a_lost_answer_is_settled_by_reading_back(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    async def lost(preview: object) -> str:
        bench.source.replace(REF, "exited")
        raise Unavailable("POST", why="connection reset")

    monkeypatch.setattr(bench.source.stop, "execute", lost)
    stop = bench.verb("container.stop")
    result = await bench.operator.perform(await bench.operator.preview(stop, REF, {"timeout": "5"}))
    assert result.result == "SUCCEEDED"


async def test_the_reason_of_the_window_is_on_the_verb(bench: Bench) -> None:
    bench.source.rows = [container("a", environment="gold")]
    await bench.hub.once(1)
    bench.policy.open_for(Place("local", "gold"), "INC-412")
    stop = bench.verb("container.stop")
    await bench.operator.perform(await bench.operator.preview(stop, REF, {"timeout": "5"}))
    assert {row.why for row in await bench.ledger.rows()} == {"INC-412"}


async def test_a_change_long_after_our_verb_is_from_outside(bench: Bench) -> None:
    stop = bench.verb("container.stop")
    result = await bench.operator.perform(await bench.operator.preview(stop, REF, {"timeout": "5"}))
    assert bench.operator.by(REF, bench.at)[:2] == ("us", result.op)
    assert bench.operator.by(REF, bench.at + OURS_S + 1)[0] == "outside"


async def test_a_refusal_on_the_screen_is_in_the_ledger(bench: Bench) -> None:
    await bench.operator.refuse(bench.verb("container.stop"), REF, "it is protected")
    last = (await bench.ledger.rows())[0]
    assert (last.phase, last.action, last.ref) == ("refused", "container.stop", str(REF))
