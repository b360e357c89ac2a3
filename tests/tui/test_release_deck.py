"""Releases driven on the deck by its keys, against the practice world and with real runners."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from deckcase import Deck, Patient
from parts.deckworld import environment
from parts.releasing import ReleaseWorld, end, reached, result
from quarterdeck.app import QuarterdeckApp
from quarterdeck.boot import Boot
from quarterdeck.screens.back import BackDialog
from quarterdeck.screens.confirm import ConfirmDialog
from quarterdeck.screens.deploy import DeployDialog
from quarterdeck.screens.history import HistoryScreen
from quarterdeck.screens.ledger import LedgerScreen
from quarterdeck.screens.operation import OperationScreen
from quarterdeck.screens.operations import OperationsScreen
from quarterdeck.screens.pick import PickDialog
from quarterdeck.widgets.logview import LogView
from quarterdeck_lifecycle.kinds import ModelVersion, Service
from quarterdeck_lifecycle.release.model import service_ref


@pytest.fixture(scope="module")
def shared_world() -> Iterator[ReleaseWorld]:
    with ReleaseWorld() as made:
        yield made


NEEDED = ("docker", "registry", "mlflow")


def only_needed(config: dict[str, Any]) -> None:
    """The sources that a release of the service is about, and no others that would be polled meanwhile."""
    config["sources"] = [source for source in config["sources"] if source["system"] in NEEDED]


@pytest.fixture
def world(shared_world: ReleaseWorld) -> Iterator[ReleaseWorld]:
    shared_world.reset()
    shared_world.configure(only_needed)
    yield shared_world
    shared_world.settle()


@asynccontextmanager
async def operating(world: ReleaseWorld, size: tuple[int, int] = (80, 24)) -> AsyncIterator[Deck]:
    """A deck of the world's operator, with the cursor on the service that is released."""
    boot = Boot(cwd=world.home, env=environment(world.home, world.env), discovery=("git",), title="case")
    app = QuarterdeckApp(boot)
    async with app.run_test(size=size, notifications=True) as pilot:
        made = Patient(app, pilot)
        await made.rest()
        ref = service_ref(world.service, world.place)
        await made.until(lambda: boot.hub.find(ref) is not None, "the service's row")
        app.deck.jump(ref)
        await made.rest()
        assert app.deck.pane.ref == ref
        yield made


def on(d: Deck, kind: type[Any]) -> bool:
    return isinstance(d.app.screen, kind)


async def planned(d: Deck) -> DeployDialog:
    """The dialog once its plan stands."""
    await d.until(lambda: on(d, DeployDialog) and d.app.screen.plan is not None, "a plan")
    await d.rest()
    dialog = d.app.screen
    assert isinstance(dialog, DeployDialog)
    return dialog


async def ended(d: Deck) -> OperationScreen:
    """The operation's screen once it has a result."""
    await d.until(lambda: on(d, OperationScreen), "the operation's screen")
    screen = d.app.screen
    assert isinstance(screen, OperationScreen)
    await d.until(lambda: screen.progress is not None and screen.progress.result, "a result")
    return screen


async def test_a_deploy_is_picked_read_confirmed_followed_and_taken_back(world: ReleaseWorld) -> None:
    version = world.other()
    before = world.serving()
    async with operating(world) as d:
        await d.press("D")
        assert on(d, PickDialog)
        assert "runs now" in d.text
        await d.type(version)
        await d.press("enter")
        dialog = await planned(d)
        assert dialog.focused is not None
        assert dialog.focused.id == "cancel"
        for words in (f"DEPLOY {world.service} → STAGING", "from ", "to ", "hosts ", "gap about", "back ", "reason"):
            assert words in d.text
        plan = dialog.plan
        assert plan is not None
        await d.press("p")
        assert all(step.id in d.text for step in plan.steps[:4])
        await d.press("escape", "c")
        assert "commits taken back" in d.text
        await d.press("escape")
        d.by_hand()
        await d.press("y")
        screen = await ended(d)
        assert screen.progress is not None
        assert (screen.progress.result, screen.progress.message[:9]) == ("SUCCEEDED", world.service)
        rows = [row for row in world.ledger() if row["op"] == plan.op and row["phase"] == "outcome" and row["step"]]
        assert [row["step"] for row in rows] == [step.id for step in plan.steps]
        assert {each.state for each in screen.progress.shown()} == {"done"}
        await d.shows("SUCCEEDED")
        assert world.serving() != before
        await d.press("tab")
        log = screen.query_one(LogView)
        await d.until(lambda: {line.text[:10] for line in log.kept_lines()} == {"11 release"}, "one step's log")
        assert "Tab whole log" in d.text
        await d.press("up", "up")
        await d.until(lambda: {line.text[:9] for line in log.kept_lines()} == {"09 verify"}, "another step's log")
        await d.press("tab")
        await d.until(lambda: len({line.text[:2] for line in log.kept_lines()}) > 5, "the whole log")
        await d.press("escape")
        service = d.app.boot.hub.find(service_ref(world.service, world.place))
        d.app.boot.hub.poke("services")
        await d.until(lambda: _row(d, world).ready or "▲" in _row(d, world).readiness, "something to go back to")
        assert service is not None
        await d.press("U")
        assert on(d, BackDialog)
        await d.press("enter")
        dialog = await planned(d)
        assert dialog.plan is not None
        assert dialog.plan.kind == "rollback"
        d.by_hand()
        await d.press("y")
        screen = await ended(d)
        assert screen.progress is not None
        assert screen.progress.result == "SUCCEEDED"
        assert {image for _, image in world.serving()} == {image for _, image in before}
        await d.press("escape")
        d.app.boot.hub.poke("services")
        await d.rest()
        await d.press("enter")
        assert on(d, HistoryScreen)
        await d.until(lambda: "rollback" in d.text or "SUCCEEDED" in d.text, "its history")
        assert d.text.count("SUCCEEDED") >= 2
        await d.press("escape", "v")
        await d.shows("· 11 release")
        await d.press("s")
        await d.until(lambda: "· 11 release" not in d.text, "a ledger without steps")
        assert "steps hidden" in d.text
        await d.press("V")
        await d.until(lambda: "whole" in d.text, "the verdict")
        await d.press("/")
        await d.type("rollback")
        await d.press("enter")
        await d.until(lambda: "/rollback" in d.text and "deploy" not in d.text, "the filtered ledger")
        await d.press("escape")
        await d.until(lambda: on(d, LedgerScreen) and "/rollback" not in d.text, "the whole ledger")
        await d.press("escape")
        assert d.app.screen is d.app.deck


def _row(d: Deck, world: ReleaseWorld) -> Service:
    row = d.app.boot.hub.find(service_ref(world.service, world.place))
    assert isinstance(row, Service)
    return row


async def test_a_release_that_runs_is_attached_to_and_not_started_again(world: ReleaseWorld) -> None:
    gate = world.waiting_hook()
    folder = world.detached(world.other())
    reached(folder, lambda event: "the hook waits" in event.message)
    async with operating(world) as d:
        await d.until(lambda: d.app.deck.running, "the operation on the deck's line")
        assert f"» op {folder.op[-4:]} deploy {world.service}→staging" in d.text
        count = len(world.operations())
        await d.press("D")
        assert on(d, OperationScreen)
        assert "attached" in " ".join(d.toasts)
        screen = d.app.screen
        await d.until(lambda: "the hook waits" in d.text, "its log")
        first = screen.query_one(LogView).kept_lines()[0].text
        assert f"deploy {world.service} in staging" in first
        assert len(world.operations()) == count
        await d.press("escape", "9")
        assert on(d, OperationsScreen)
        await d.shows("3/12 hoo")
        await d.press("enter")
        assert on(d, OperationScreen)
        await d.press("X")
        await d.until(lambda: on(d, ConfirmDialog), "the question")
        assert "whatever was switched is put back" in d.text
        d.by_hand()
        await d.press("y")
        gate.touch()
        screen = await ended(d)
        assert screen.progress is not None
        assert screen.progress.result == "ABORTED"
        assert "not needed" in {each.state for each in screen.progress.shown()}
    assert result(folder) == "ABORTED"


async def test_what_a_dead_runner_left_is_followed_again_when_it_is_recovered(world: ReleaseWorld) -> None:
    world.waiting_hook()
    folder = world.detached(world.other())
    reached(folder, lambda event: "the hook waits" in event.message)
    async with operating(world) as d:
        await d.until(lambda: d.app.deck.running, "the operation")
        await d.press("9", "enter")
        await d.until(lambda: "the hook waits" in d.text, "its log")
        await asyncio.to_thread(end, folder)
        await d.until(lambda: "its runner is dead" in d.text, "the death")
        await d.press("R")
        await d.until(lambda: on(d, ConfirmDialog), "the question")
        d.by_hand()
        await d.press("y")
        screen = await ended(d)
        assert screen.progress is not None
        assert screen.progress.result == "FAILED"
    assert result(folder) == "FAILED"


async def test_leaving_the_deck_ends_nothing(world: ReleaseWorld) -> None:
    gate = world.waiting_hook()
    folder = world.detached(world.other())
    reached(folder, lambda event: "the hook waits" in event.message)
    async with operating(world) as d:
        await d.until(lambda: d.app.deck.running, "the operation")
        await d.press("9", "enter")
        await d.until(lambda: "the hook waits" in d.text, "its log")
        await d.press("ctrl+c")
        await d.shows("leave it running")
        await d.press("escape", "escape", "escape", "q")
        await d.until(lambda: not d.app.is_running, "the end of the deck")
    assert folder.alive()
    gate.touch()
    assert result(folder) == "SUCCEEDED"


async def test_a_put_back_in_a_protected_place_takes_two_keys_and_the_typed_name(world: ReleaseWorld) -> None:
    assert world.release("deploy", world.other()).code == 0
    before = world.serving()

    def protect(config: dict[str, Any]) -> None:
        config["environments"]["staging"]["protected"] = True

    world.configure(protect)
    async with operating(world) as d:
        await d.until(lambda: _row(d, world).proven or "▲" in _row(d, world).readiness, "something to go back to")
        await d.press("B")
        assert on(d, BackDialog)
        await d.press("y")
        dialog = await planned(d)
        assert dialog.focused is not None
        assert dialog.focused.id == "typed"
        assert "protected" in d.text
        await d.press("enter")
        assert on(d, DeployDialog)
        d.by_hand()
        await d.type(world.service)
        await d.press("enter")
        screen = await ended(d)
        assert screen.progress is not None
        assert screen.progress.result == "SUCCEEDED"
        assert world.serving() != before
        opened = [row for row in await d.app.boot.ledger.rows() if row.action == "write.open"]
        assert opened
        assert not d.app.boot.policy.windows()


async def test_a_freeze_stops_a_deploy_and_undo_lifts_it(world: ReleaseWorld) -> None:
    async with operating(world) as d:
        await d.press(":")
        await d.burst("service.freeze 'no deploys tonight' until=2h", "enter")
        await d.until(lambda: "frozen" in _row(d, world).state, "the frozen row")
        assert "no deploys tonight" in _row(d, world).frozen
        await d.press("D")
        await d.type(world.other())
        await d.press("enter")
        await planned(d)
        assert "✗ frozen by" in d.text
        d.by_hand()
        await d.press("y")
        await d.until(lambda: any("is frozen" in toast for toast in d.toasts), "the refusal")
        assert d.app.screen is d.app.deck
        await d.press("U")
        await d.until(lambda: on(d, ConfirmDialog), "the question")
        d.by_hand()
        await d.press("y")
        await d.until(lambda: not _row(d, world).frozen, "the thawed row")


async def test_an_alias_is_promoted_with_the_service_chosen_and_undo_moves_it_back(world: ReleaseWorld) -> None:
    async with operating(world, (120, 40)) as d:
        versions = {row.version: row for row in d.app.boot.hub.records() if _is_fraud(row)}
        new, old = max(versions, key=int), next(v for v, row in versions.items() if "champion" in row.aliases)
        d.app.deck.jump(versions[new].ref)
        await d.rest()
        await d.press("D")
        await d.shows("another alias")
        await d.press("enter")
        await d.shows("proven by which service?")
        titles = [line.strip() for line in d.text.splitlines() if f"{world.service} in {world.place}" in line]
        await d.press(titles[0].lstrip("║ ")[0])
        dialog = await planned(d)
        plan = dialog.plan
        assert plan is not None
        assert (plan.service, plan.to.kind, plan.to.digest) == (world.service, "model", new)
        assert f"v{old} runs now" in d.text
        d.by_hand()
        await d.press("y")
        screen = await ended(d)
        assert screen.progress is not None
        assert screen.progress.result == "SUCCEEDED", d.text
        services, ref = d.app.deck.services, service_ref(world.service, world.place)
        assert services is not None
        await d.until(lambda: not services.running(ref), "the deck's knowledge of the end")
        await d.press("escape", "U")
        dialog = await planned(d)
        plan = dialog.plan
        assert plan is not None
        assert (plan.kind, plan.to.kind, plan.to.digest) == ("rollback", "model", old)
        assert [change.place.kind for change in plan.changes] == ["alias", "container"]
        d.by_hand()
        await d.press("y")
        screen = await ended(d)
        assert screen.progress is not None
        assert screen.progress.result == "SUCCEEDED", d.text


def _is_fraud(row: object) -> bool:
    return isinstance(row, ModelVersion) and row.model == "fraud"
