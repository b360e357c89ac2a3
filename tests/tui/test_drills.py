"""Every drill played to its end: one by the deck's keys, the others by commands; and one that is given up."""

from __future__ import annotations

import asyncio
import json
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from deckcase import Patient
from parts.drilling import DrillWorld
from parts.pty import Pty
from quarterdeck.app import QuarterdeckApp
from quarterdeck.boot import Boot
from quarterdeck.commands.demo import DRILLS
from quarterdeck.drillreport import RECORD, gather, lines, seen
from quarterdeck.screens.back import BackDialog
from quarterdeck.screens.changes import ChangesScreen
from quarterdeck.screens.deploy import DeployDialog
from quarterdeck.screens.operation import OperationScreen
from quarterdeck_demo import drills
from quarterdeck_lifecycle.release.model import service_ref

PROD = ("--yes", "--reason", "a drill", "--confirm")


async def told(world: DrillWorld) -> dict[str, Any]:
    """The report, as the command makes it when its deck has closed."""
    boot = Boot(cwd=world.home, read_only=True, discovery=False, env=world.played)
    try:
        return await gather(boot, Path(boot.env[RECORD]), 1)
    finally:
        await boot.close()


def test_the_command_knows_the_drills_of_the_world() -> None:
    assert tuple(drills.DRILLS) == DRILLS
    for name in DRILLS:
        drill = drills.load(name)
        assert (drill.name, len(drill.hints) >= 3, bool(drill.task)) == (name, True, True)


async def test_a_bad_deploy_is_seen_looked_into_and_taken_back_by_keys() -> None:
    with DrillWorld("bad-deploy") as world:
        boot = Boot(cwd=world.home, env=world.played, discovery=("git",), title="drill")
        app = QuarterdeckApp(boot)
        async with app.run_test(size=(80, 24), notifications=True) as pilot:
            d = Patient(app, pilot)
            await d.rest()
            ref = service_ref("fraud-api", "prod")
            await d.until(lambda: boot.hub.find(ref) is not None, "the service's row")
            assert "Something will go wrong in prod" in " ".join(d.toasts)
            await asyncio.to_thread(world.happens, "FraudP95High was raised")
            boot.hub.poke()
            record = Path(boot.env[RECORD])
            await d.until(lambda: any(entry["what"] == "trouble" for entry in seen(record)), "a row in trouble")
            await d.press("c")
            assert isinstance(app.screen, ChangesScreen)
            await d.shows("fraud-api-1")
            await d.press("escape", ":")
            await d.type("hint")
            await d.press("enter")
            assert any("hint 1 of 3" in toast for toast in d.toasts)
            await d.press("escape")
            assert not any("hint 1 of 3" in toast for toast in d.toasts)
            app.deck.jump(ref)
            await d.rest()
            await d.press("W")
            await d.type("v41 is slow")
            await d.press("enter", "B")
            await d.until(lambda: isinstance(app.screen, BackDialog), "what to go back to")
            await d.press("enter")
            await d.until(lambda: isinstance(app.screen, DeployDialog) and app.screen.plan is not None, "a plan")
            d.by_hand()
            await d.type("fraud-api")
            await d.press("enter")
            await d.until(lambda: isinstance(app.screen, OperationScreen), "the operation")
            await asyncio.to_thread(world.is_solved)
            await d.until(lambda: any("solved" in toast for toast in d.toasts), "word that it is solved")
        found = await told(world)
    assert (found["result"], found["hints"], [goal["met"] for goal in found["goals"]]) == ("solved", 1, [True] * 4)
    assert [(each["kind"], each["result"]) for each in found["operations"]] == [("rollback", "SUCCEEDED")]
    assert found["looked_at"][0] == "changes"
    order = [found[f"{name}_s"] for name in ("trouble_shown", "first_key", "first_verb", "release_started", "solved")]
    assert order == sorted(order)
    assert not any("changes (c)" in words for words in found["missed"])
    assert any("log (l)" in words for words in found["missed"])
    assert lines(found)[0].startswith("drill bad-deploy: solved in ")


def stale_alias(world: DrillWorld) -> None:
    world.happens("chen moved champion")
    world.happens_that(lambda: len(world.unmet) == 2, "the alert of the stale alias")
    done = world.run("do", "container.restart", "scorer-1", *PROD, "scorer-1")
    assert done.code == 0, done


def drifted_model(world: DrillWorld) -> None:
    world.happens("ScorerDriftHigh was raised")
    done = world.run("promote", "fraud", "17", "--alias", "champion", "--env", "prod", *PROD, "scorer")
    assert done.code == 0, done


def full_disk(world: DrillWorld) -> None:
    world.happens("ended FAILED")
    deploy = ("deploy", "fraud-api", "1.42.0", "--env", "staging", "--yes")
    again = world.run(*deploy)
    assert (again.code, "no space left on device" in again.out) == (1, True), again
    assert world.world.stage is not None
    assert world.world.stage.versions("fraud-api", "staging") == ["v40"]
    assert world.run("do", "image.prune", "engine", *PROD, "engine").code == 0
    done = world.run(*deploy)
    assert done.code == 0, done


def lost_link(world: DrillWorld) -> None:
    world.happens("went with it")
    world.happens("the link to bast-1 is back")
    assert "all three fraud-api of prod run one version" in world.unmet
    done = world.run("recover", world.record["ops"][0])
    assert (done.code, "ROLLED_BACK" in done.out) == (0, True), done


@pytest.mark.parametrize("play", [stale_alias, drifted_model, full_disk, lost_link])
def test_a_drill_is_played_to_its_end_by_commands(play: Callable[[DrillWorld], None]) -> None:
    name = play.__name__.replace("_", "-")
    with DrillWorld(name) as world:
        play(world)
        assert world.record["state"] == "on" or world.solved
        world.is_solved()
        found = asyncio.run(told(world))
    assert (found["drill"], found["result"]) == (name, "solved")
    assert all(goal["met"] for goal in found["goals"])
    verbs = {"stale-alias": [("container.restart", "SUCCEEDED")], "full-disk": [("image.prune", "SUCCEEDED")]}
    assert [(each["action"], each["result"].partition(":")[0]) for each in found["verbs"]] == verbs.get(name, [])


def test_a_drill_that_is_left_is_given_up_and_says_so(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "quarterdeck", "demo", "--drill", "stale-alias", "--json"]
    with Pty(command, 80, 24, home=tmp_path) as pty:
        pty.wait_for("drill stale-alias")
        pty.write("q")
        assert pty.wait_exit() == 1
        text = pty.received.rpartition(b"\x1b[?1049l")[2].decode()
    found = json.loads(re.search(r"\{.*\}", text, re.DOTALL)[0])  # type: ignore[index]
    assert (found["drill"], found["result"], found["began_at"]) == ("stale-alias", "given up", None)
