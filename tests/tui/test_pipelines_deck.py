"""The pipelines pane driven by its keys on every CI system: started, tailed, cancelled, run again, approved."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator

import pytest

from contract.pipelines_subjects import Opened, Subject, opened, served
from deckcase import Deck, Patient, deck
from parts.practice import practice_story
from quarterdeck.screens.children import ChildrenScreen
from quarterdeck.screens.confirm import ConfirmDialog
from quarterdeck.screens.detail import DetailScreen
from quarterdeck.screens.dialogs import ArgumentsDialog
from quarterdeck.screens.logs import LogScreen
from quarterdeck.widgets.logview import LogView
from quarterdeck_demo.story import Story
from quarterdeck_lifecycle.kinds import Run
from quarterdeck_lifecycle.records import Status

ENDED = (Status.OK, Status.BAD, Status.IDLE)


@pytest.fixture(scope="module")
def story() -> Iterator[Story]:
    with practice_story() as made:
        yield made


@pytest.fixture(params=served(), ids=lambda subject: subject.system)
async def ci(request: pytest.FixtureRequest, story: Story) -> AsyncIterator[Opened]:
    subject: Subject = request.param
    async with opened(subject, story) as made:
        yield made


def rows(d: Deck) -> list[Run]:
    return [row for snap in d.app.boot.hub.snapshots("run") for row in snap.rows if isinstance(row, Run)]


async def pick(d: Deck, fits: Callable[[Run], bool]) -> Run:
    """Put the cursor on the newest run that fits, by the filter."""
    run = next(row for row in rows(d) if fits(row))
    d.app.deck.jump(run.ref)
    await d.rest()
    assert d.app.deck.pane.ref == run.ref
    return run


def tailed(d: Deck) -> bool:
    """Whether the log screen has lines."""
    return len(d.app.screen.query_one(LogView)._buffer) > 0


def now(d: Deck, run: Run) -> Run | None:
    return next((row for row in rows(d) if row.ref == run.ref), None)


async def sent(d: Deck, verb: str) -> None:
    """Confirm what stands on the screen, and wait for its outcome."""
    await d.until(lambda: isinstance(d.app.screen, ConfirmDialog), f"{verb}: the preview")
    d.by_hand()
    await d.press("y")
    await d.until(lambda: any("succeeded" in toast for toast in d.toasts), f"{verb}: its outcome {d.toasts}")
    d.app.clear_notifications()
    await d.press("r")


async def through(d: Deck, verb: str) -> None:
    """Enter through the fields of a dialog, each at its default."""
    await d.until(lambda: isinstance(d.app.screen, ArgumentsDialog | ConfirmDialog), f"{verb}: a dialog {d.toasts}")
    for _ in range(40):
        if not isinstance(d.app.screen, ArgumentsDialog):
            return
        await d.press("enter")


async def test_every_verb_of_a_system_by_its_keys(ci: Opened) -> None:
    cannot = ci.subject.cannot
    async with deck([ci.source], size=(120, 40)) as made:
        d = Patient(made.app, made.pilot)
        await d.press("2", "z")
        await d.until(lambda: len(rows(d)) > 10, "runs")

        # What failed opens on its failure, with its jobs behind.
        await pick(d, lambda run: run.status is Status.BAD)
        await d.press("enter")
        await d.until(lambda: isinstance(d.app.screen, DetailScreen), "the failure")
        await d.shows("Failure")
        await d.shows("failed")
        await d.press("escape")
        assert isinstance(d.app.screen, ChildrenScreen)
        await d.press("escape")

        if "run.approve" not in cannot:
            run = await pick(d, lambda run: run.waits_for_me)
            await d.press("A")
            await through(d, "run.approve")
            await sent(d, "run.approve")
            await d.until(lambda: (left := now(d, run)) is None or not left.waits_for_me, "it went on")
        if "run.cancel" not in cannot:
            run = await pick(d, ci.subject.moving)
            await d.press("X")
            await sent(d, "run.cancel")
            ci.clock.move(ci.subject.stops_in_s)
            await d.press("r")
            await d.until(lambda: (left := now(d, run)) is None or left.status in ENDED, "it ended")
        if "run.rerun" not in cannot:
            await pick(d, lambda run: run.status is Status.OK and ci.subject.starts(run))
            await d.press("R")
            await sent(d, "run.rerun")
        if "run.trigger" not in cannot:
            await pick(d, ci.subject.starts)
            await d.press("T")
            await through(d, "run.trigger")
            await sent(d, "run.trigger")
        # What was begun is tailed: the clock goes on while its log is asked for again.
        await pick(d, lambda run: run.status in (Status.RUNNING, Status.QUEUED))
        await d.press("l")
        await d.until(lambda: isinstance(d.app.screen, LogScreen) and tailed(d), "its log")
        await d.press("escape")
        kept = {row.action for row in await d.app.boot.ledger.rows() if row.result.startswith("SUCCEEDED")}
        wanted = {"run.cancel", "run.rerun", "run.trigger", "run.approve"} - set(cannot)
        assert kept == wanted
