"""In the middle of a release the link to the engine of production is lost."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import Any

from quarterdeck_demo.docker.services import ServiceLife
from quarterdeck_demo.docker.state import Container
from quarterdeck_demo.drills.model import Drill, Goal
from quarterdeck_demo.drills.stage import Stage
from quarterdeck_demo.faults import BlackHole

DOWN_S = 45.0
"""How long the link stays away."""


class LostLink(Drill):
    """The new version has begun to run on one of three; nothing answers, and nothing goes on by itself."""

    name = "lost-link"
    title = "a link that is lost in the middle of a release"
    task = "A colleague releases fraud-api to prod. Whatever happens: leave one version there, healthy, and no lease."
    hints = (
        "A source that does not answer is said on its pane: last good rows stay, marked. e says what is wrong.",
        "9 shows the release: its runner is gone, it stands where it stood. Nothing can be settled without the link.",
        "When the link is back: 9, Enter, R recovers it. It looks at the targets, and puts back what it must.",
    )
    worth = {
        "operations": "the operations (9) show that the release has lost its runner",
    }

    def configure(self, config: dict[str, Any]) -> None:
        """A lease that counts as abandoned sooner."""
        super().configure(config)
        config["releases"] = {"heartbeat": "2s", "lease": "8s"}

    async def play(self, stage: Stage) -> None:
        """Link and runner go when the first new one starts; the link comes back, the runner does not."""
        engine, world = stage.servers["docker"], stage.docker.world
        lost = asyncio.Event()

        def started(container: Container, action: str) -> None:
            life = container.life
            if action != "start" or lost.is_set() or not isinstance(life, ServiceLife):
                return
            spec = life.spec
            if spec.environment == "prod" and spec.release is not None and spec.release.version == "v42":
                stage.begins("the link to bast-1 was lost in the middle of dara's release of fraud-api 1.42.0 to prod")
                engine.faults.add(BlackHole())
                world.end_streams()
                lost.set()

        world.watchers.append(started)
        release = asyncio.create_task(stage.command(
            "deploy", "fraud-api", "1.42.0", "--env", "prod", "--yes", "--reason", "release of the week",
            "--confirm", "fraud-api",
        ))  # fmt: skip
        await asyncio.wait({release, asyncio.create_task(lost.wait())}, return_when=asyncio.FIRST_COMPLETED)
        if not lost.is_set():
            raise RuntimeError(f"the release that was to be interrupted ended: {release.result()}")
        stage.lose_runners()
        stage.tell("the host that the release ran from went with it")
        await stage.after(DOWN_S)
        engine.faults.clear()
        stage.tell("the link to bast-1 is back")
        await release

    def goals(self, stage: Stage) -> list[Goal]:
        """One version, and nothing left half done."""
        versions = Counter(stage.versions("fraud-api", "prod"))
        return [
            Goal("the engine answers", not stage.servers["docker"].faults.rules),
            Goal("all three fraud-api of prod run one version", list(versions.values()) == [3]),
            Goal("all of them are healthy", stage.well("fraud-api", "prod")),
            Goal("nothing half done and no lease is left", stage.at_rest("fraud-api", "prod")),
        ]
