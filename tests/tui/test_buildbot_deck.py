"""The deck on a real Buildbot, by its keys: a build is started with parameters, its log grows, it is stopped, and
built again."""

from __future__ import annotations

from deckcase import Deck, Patient
from parts import gitrepo
from parts.buildbot_server import BuildbotServer
from quarterdeck.app import QuarterdeckApp
from quarterdeck.boot import Boot
from quarterdeck.screens.confirm import ConfirmDialog
from quarterdeck.screens.dialogs import ArgumentsDialog
from quarterdeck.screens.logs import LogScreen
from quarterdeck_config.load import Loaded
from quarterdeck_config.schema import Config
from quarterdeck_config.schema import Source as SourceConfig
from quarterdeck_lifecycle.kinds import Run
from quarterdeck_lifecycle.records import Ref


def row(d: Deck, request: int) -> Run | None:
    """The row of a build request, as the deck has it."""
    found = d.app.boot.hub.find(Ref("ci", "run", str(request)))
    return found if isinstance(found, Run) else None


def newest(d: Deck) -> Run:
    """The newest build request that the deck has."""
    found = [run for run in d.app.boot.hub.records() if isinstance(run, Run)]
    return max(found, key=lambda run: int(run.ref.id))


async def test_a_build_is_started_tailed_and_stopped_by_keys(buildbot: BuildbotServer) -> None:
    first = buildbot.force("train", branch="main")
    config = Config(sources=(SourceConfig(name="ci", system="buildbot", url=buildbot.url),))
    app = QuarterdeckApp(Boot(cwd=buildbot.repository, loaded=Loaded(config), discovery=("git",), title="case"))
    try:
        async with app.run_test(size=(120, 40), notifications=True) as pilot:
            d = Patient(app, pilot)
            await d.rest()
            await d.until(lambda: (run := row(d, first)) is not None and run.where == "train", "the first build")
            await d.shows("● live")
            await d.press("2")
            app.deck.jump(Ref("ci", "run", str(first)))
            await d.rest()
            await d.press("T")
            await d.until(lambda: isinstance(app.screen, ArgumentsDialog), "the form")
            for field in ("branch or tag", "reason", "region: Region (eu | us)", "rows: Rows"):
                await d.shows(field)
            await d.press("enter", "enter", "enter", "enter", "ctrl+u")
            await d.type("us")
            await d.press("enter", "enter")
            await d.until(lambda: isinstance(app.screen, ConfirmDialog), "the preview")
            await d.shows("POST /api/v2/forceschedulers/train-force")
            await d.shows('"region": "us"')
            d.by_hand()
            await d.press("y")
            # One worker, one build of a builder at a time: it waits for the first, and says so.
            await d.until(lambda: newest(d).ref.id != str(first) and newest(d).queued_for, "the request that waits")
            second = int(newest(d).ref.id)
            moving = row(d, first)
            assert moving is not None
            assert newest(d).queued_for.startswith(f"waits for local, which builds train #{moving.number}")
            buildbot.go(int(moving.number))
            await d.until(lambda: (run := row(d, second)) is not None and run.where == "train", "the second build")
            app.deck.jump(Ref("ci", "run", str(second)))
            await d.rest()
            await d.press("l")
            assert isinstance(app.screen, LogScreen)
            await d.shows("train on us, 1000 rows")
            await d.shows("epoch 3 ")
            assert " live " in d.text.splitlines()[0]
            await d.press("escape", "X")
            await d.until(lambda: isinstance(app.screen, ConfirmDialog), "the preview")
            await d.shows("stops train")
            d.by_hand()
            await d.press("y")
            await d.until(lambda: (run := row(d, second)) is not None and run.state == "cancelled", "its end")
            app.deck.jump(Ref("ci", "run", str(second)))
            await d.rest()
            await d.press("R")
            await d.until(lambda: isinstance(app.screen, ConfirmDialog), "the preview")
            # It was asked for by its branch: another commit may stand there by now.
            await d.shows("the tip of main")
            await d.press("escape", "t")
            # The commit that was built is the one that the repository pane shows.
            await d.shows(gitrepo.git(buildbot.repository, "log", "-1", "--format=%s"))
            assert row(d, second).link("commit") == gitrepo.git(buildbot.repository, "rev-parse", "HEAD")  # type: ignore[union-attr]
            await d.press("escape")
            phases = [(entry.action, entry.phase) for entry in await app.boot.ledger.rows()]
            assert phases[::-1] == [(verb, phase) for verb in ("run.trigger", "run.cancel")
                                    for phase in ("intent", "outcome")]  # fmt: skip
    finally:
        buildbot.clear()
