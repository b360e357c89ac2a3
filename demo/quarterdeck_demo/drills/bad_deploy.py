"""A colleague brings a release to production that answers slowly; an alert fires minutes later."""

from __future__ import annotations

from dataclasses import replace

from quarterdeck_demo.docker import create, lifecycle
from quarterdeck_demo.docker.state import Container
from quarterdeck_demo.drills.calm import calm, kept_name, marks
from quarterdeck_demo.drills.model import Drill, Goal
from quarterdeck_demo.drills.stage import Stage
from quarterdeck_demo.story import Release, Story

ALERT = "FraudP95High"
HOLD_S = 30.0


class BadDeploy(Drill):
    """v41 comes to production from another host; v40 is kept there, proven."""

    name = "bad-deploy"
    title = "a release that makes production slow"
    task = "Something will go wrong in prod. Find out what, and have fraud-api serve well again."
    hints = (
        "The alert names the service and what is wrong with it; the charts (5, Enter) show since when.",
        "The list of changes (c) shows what was done right before. It was not done from here.",
        "What was proven before is kept: on fraud-api of prod, W opens prod for writing, B goes back.",
    )
    worth = {
        "changes": "the changes (c) name what was released, and when",
        "metrics": "the charts (5, Enter) show the instant at which it began",
        "log": "the log (l) of fraud-api-3 says what it waits for",
    }

    def dress(self, story: Story) -> Story:
        """The alert does not wait for four minutes."""
        story = calm(story)
        alerts = [replace(alert, hold=HOLD_S) if alert.name == ALERT else alert for alert in story.alerts]
        return replace(story, alerts=tuple(alerts))

    async def play(self, stage: Stage) -> None:
        """One container after the other, as a release does it."""
        released = {release.version: release for release in stage.story.releases["fraud-api"]}
        stage.begins("bruno released fraud-api v41 to prod, from another host")
        for number in (1, 2, 3):
            await _replace(stage, stage.docker.world.container(f"fraud-api-{number}"), released["v41"])
        await stage.until(lambda: stage.firing(ALERT))
        if stage.firing(ALERT):
            stage.tell(f"{ALERT} was raised")

    def goals(self, stage: Stage) -> list[Goal]:
        """A proven version serves, and it can be seen."""
        versions = stage.versions("fraud-api", "prod")
        proven = len(versions) == 3 and "v41" not in versions
        return [
            Goal("all three fraud-api of prod run a version from before", proven),
            Goal("all of them are healthy", stage.well("fraud-api", "prod")),
            Goal("no release of it is under way", stage.at_rest("fraud-api", "prod")),
            Goal(f"the alert {ALERT} is over", not stage.firing(ALERT)),
        ]


async def _replace(stage: Stage, old: Container, release: Release) -> None:
    world, name = stage.docker.world, old.name
    await lifecycle.stop(world, old, 1)
    old.name = kept_name(name, release.version)
    world.container_event(old, "rename", oldName=f"/{name}")
    own = dict(entry.split("=", 1) for entry in release.image.settings["config"]["Env"])
    env = [entry for entry in old.config["Env"] or [] if entry.partition("=")[0] not in own]
    body = {
        "Image": f"{old.image.rpartition(':')[0]}:{release.version}",
        "Env": env,
        "Labels": old.labels | release.image.labels | marks(release, 3, "op2", stage.clock()),
        "HostConfig": old.host_config,
        "NetworkingConfig": {"EndpointsConfig": {network: {} for network in old.endpoints}},
    }
    new = create.create(world, name, body, stage.docker.life_for)
    lifecycle.start(world, new)
