"""The runs of deploy-prod that put the earlier releases into production, approved and ended."""

from __future__ import annotations

from quarterdeck_demo.github.progress import LiveRun
from quarterdeck_demo.story import Run, Story
from quarterdeck_demo.story.curves import Deployed

DAY = 86_400.0
LEAD = 240.0
"""Seconds from such a run's beginning to the new version running."""
THOUGHT = 60.0
"""Seconds that its approval took."""
LATEST = 97


def by_runs(story: Story) -> list[Deployed]:
    """The deployments of the timeline that a run of deploy-prod made, oldest first; the latest was made by hand."""
    return [
        entry for entry in story.timeline.entries
        if (entry.service, entry.environment) == ("fraud-api", "prod") and entry.at < story.now - DAY
    ]  # fmt: skip


def deploy_runs(story: Story) -> list[LiveRun]:
    """Those runs, oldest first."""
    flow = next(each for each in story.workflows if each.name == "deploy-prod")
    releases = {release.version: release for release in story.releases["fraud-api"]}
    entries, made = by_runs(story), []
    for number, entry in enumerate(entries, LATEST + 1 - len(entries)):
        at = entry.at - LEAD
        run = Run(
            9_900_000 + number, number, flow.repository, flow.id, f"deploy-prod {entry.version}", "main",
            releases[entry.version].sha, "workflow_dispatch", story.people["op2"], at, at + 2, flow.jobs,
        )  # fmt: skip
        live = LiveRun.of(run)
        live.decide("prod", approved=True, at=at + THOUGHT, login="oper-a", comment=f"{entry.version} it is")
        made.append(live)
    return made
