"""The engine's disk is full: a release cannot be pulled, and what runs goes on."""

from __future__ import annotations

from dataclasses import replace

from quarterdeck_demo.docker import disk
from quarterdeck_demo.docker.state import Image
from quarterdeck_demo.docker.wire import digest
from quarterdeck_demo.drills.calm import TRIAL, again, calm, running
from quarterdeck_demo.drills.model import Drill, Goal
from quarterdeck_demo.drills.stage import Stage
from quarterdeck_demo.story import Alert, Series, Story

ALERT = "EngineDiskFull"
DISK, HOST, WANTED = "disk", "bast-1", "v42"
SIZE = 64 * 1024**3
LAYERS = 9
SPARE = 0.2
"""Share of the disk that has to be free at the end."""
SLOPE_S = 5.0


class FullDisk(Drill):
    """Left-over images fill the disk; a colleague's release fails at its pull."""

    name = "full-disk"
    title = "a disk without room for the release"
    task = "A release to staging will fail. Have fraud-api 1.42.0 run in staging."
    hints = (
        "The operation (9, Enter) says at which step it failed, and what the engine said; what ran before still runs.",
        "The images (3, then ] ) hold what nobody uses: no tag, no container, gigabytes.",
        "On the containers pane :image.prune removes them; then D on fraud-api of staging deploys 1.42.0 again.",
    )
    worth = {
        "operation": "the failed operation (9, Enter) says why it failed",
        "operations": "the operations (9) show that it failed",
    }

    def dress(self, story: Story) -> Story:
        """Staging runs v40 until v42 is released to it; the engine's disk has its series and its rule."""
        story = calm(story)
        v40 = next(release for release in story.releases["fraud-api"] if release.version == "v40")
        containers = tuple(
            running(each, v40, each.created_at) if each.name == "staging-fraud-api-1" else each
            for each in story.containers if each.project != TRIAL
        )  # fmt: skip
        story = again(story, containers)
        story.timeline.rise = story.timeline.fall = SLOPE_S
        labels = {"job": "node", "instance": f"{HOST}:9100", "mountpoint": "/var/lib/docker", "fstype": "ext4"}
        since = story.now - 86_400.0
        free = Series("node_filesystem_avail_bytes", labels, "gauge", "Space left", SIZE * 0.7, hurt=-SIZE * 0.7,
                      since=since, service=DISK, environment=HOST)  # fmt: skip
        size = Series("node_filesystem_size_bytes", labels, "gauge", "Size of the filesystem", float(SIZE), since=since)
        rule = Alert(
            ALERT, 'node_filesystem_avail_bytes{mountpoint="/var/lib/docker"} < 6e9', 0.0,
            {"severity": "critical", "instance": f"{HOST}:9100", "mountpoint": "/var/lib/docker"},
            {"summary": "/var/lib/docker of bast-1 is full", "runbook_url": "https://runbooks.acme.example/disk"},
            free, 6e9, above=False,
        )  # fmt: skip
        return replace(story, series=(*story.series, free, size), alerts=(rule, *story.alerts))

    def set_up(self, stage: Stage) -> None:
        """The engine has a disk, and not the image yet."""
        stage.docker.settings.disk_bytes = SIZE
        world = stage.docker.world
        release = next(each for each in stage.story.releases["fraud-api"] if each.version == WANTED)
        world.images.pop(release.image.id, None)

    async def play(self, stage: Stage) -> None:
        """What builds left fills the disk, and then somebody releases."""
        world = stage.docker.world
        stage.begins("nightly builds filled the disk of bast-1")
        left = disk.free(world, stage.docker.settings)
        for number in range(LAYERS):
            size = left // LAYERS if number else left - left // LAYERS * (LAYERS - 1)
            id = digest(stage.story.seed, "left over", number)
            template = next(iter(world.images.values()))
            world.images[f"sha256:{id}"] = Image(
                id=f"sha256:{id}", created=stage.clock() - 3600 * number, size=size, layers=[f"sha256:{id}"],
                config={**template.config, "Labels": {"com.acme.build": f"nightly-{number}"}},
            )  # fmt: skip
        world.notify()
        reason = "release of the week"
        ended = await stage.command("deploy", "fraud-api", "1.42.0", "--env", "staging", "--yes", "--reason", reason)
        stage.tell(f"the release of fraud-api 1.42.0 to staging ended {ended.get('result') or 'without a result'}")

    def react(self, stage: Stage) -> None:
        """The host's exporter sees how much is free."""
        line, now = stage.story.timeline, stage.clock()
        state = "roomy" if _roomy(stage) else "full"
        if (line.version(DISK, HOST, now) or "roomy") != state:
            line.deployed(now, DISK, HOST, state, broken=state == "full")

    def goals(self, stage: Stage) -> list[Goal]:
        """There is room, and the release is done."""
        return [
            Goal("a fifth of the engine's disk is free", _roomy(stage)),
            Goal("staging runs fraud-api 1.42.0", stage.versions("fraud-api", "staging") == [WANTED]),
            Goal("it is healthy", stage.well("fraud-api", "staging")),
            Goal("no release of it is under way", stage.at_rest("fraud-api", "staging")),
            Goal("production still serves", len(stage.versions("fraud-api", "prod")) == 3),
        ]


def _roomy(stage: Stage) -> bool:
    return disk.free(stage.docker.world, stage.docker.settings) >= SPARE * SIZE
