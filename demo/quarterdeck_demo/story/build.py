"""Puts the story together."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from random import Random

from quarterdeck_demo.oci import Image
from quarterdeck_demo.repos import make_repository
from quarterdeck_demo.story import code, delivery, learning, pipelines, signals
from quarterdeck_demo.story.curves import Alert, Series, Timeline, TrainingRun
from quarterdeck_demo.story.records import (
    Container,
    Experiment,
    Person,
    PullRequest,
    RegisteredModel,
    Release,
    Repository,
    Run,
    Workflow,
)


@dataclass(frozen=True, slots=True, repr=False)
class Story:
    """The practice world at its beginning. Only `timeline` changes, when a deployment happens in it."""

    seed: int
    now: float
    """Epoch seconds at which the story begins; everything is dated relative to it."""
    folder: Path
    registry: str
    """Host and port of the team's registry, as image references name it."""
    people: dict[str, Person]
    viewer: Person
    """Whose tokens the operator uses."""
    repositories: dict[str, Repository]
    """By slug, `acme/fraud-api`."""
    workflows: tuple[Workflow, ...]
    runs: tuple[Run, ...]
    """Newest first."""
    pulls: tuple[PullRequest, ...]
    releases: dict[str, tuple[Release, ...]]
    """By service, oldest first."""
    public_images: tuple[Image, ...]
    """Images that the engine has and the team's registry does not."""
    containers: tuple[Container, ...]
    experiments: tuple[Experiment, ...]
    training: tuple[TrainingRun, ...]
    """Newest first."""
    models: tuple[RegisteredModel, ...]
    series: tuple[Series, ...]
    alerts: tuple[Alert, ...]
    timeline: Timeline

    def __repr__(self) -> str:
        # Whole, it is most of a megabyte, and asyncio writes out what a task returned whenever it says its name.
        return f"Story(seed={self.seed}, now={self.now}, folder={str(self.folder)!r})"

    @property
    def registry_images(self) -> tuple[Image, ...]:
        """The images in the team's registry, oldest first."""
        return tuple(r.image for released in self.releases.values() for r in released)

    def release_of(self, digest: str) -> Release | None:
        """The release whose image id, manifest or index has this digest."""
        for released in self.releases.values():
            for release in released:
                if digest in (release.image.id, release.image.manifest.digest, release.image.digest):
                    return release
        return None


def build_story(seed: int, now: float, folder: Path, *, registry: str = "127.0.0.1:5000") -> Story:
    """Make the repositories in `folder` and derive all else; the same for the same seed, now and registry.

    `folder` must be empty or missing. Raises `RuntimeError` when git fails.
    """
    random = Random(seed)
    now = float(int(now))
    repositories: dict[str, Repository] = {}
    for number, (name, plan) in enumerate(code.plans(now, random).items(), 1):
        made = make_repository(plan, folder)
        description, language = code.DESCRIPTIONS[name]
        oldest = min(commit.at for commit in made.commits.values())
        repositories[plan.slug] = Repository(
            name, plan.slug, 500 + number, description, language, made.path, made.origin, made.branches,
            made.tags, made.commits, oldest,
        )  # fmt: skip
    runs = pipelines.runs(now, random, repositories)
    released = delivery.releases(repositories, runs)
    public = delivery.public_images(now)
    learned = learning.learned(now, random, repositories)
    trained = {f"{m.name}/{v.version}": v.run_id for m in learned.models for v in m.versions}
    containers = delivery.containers(now, random, registry, released, public, trained)
    flat = [release for group in released.values() for release in group]
    series = signals.series(now, containers, flat)
    return Story(
        seed=seed, now=now, folder=folder, registry=registry, people=code.PEOPLE, viewer=code.VIEWER,
        repositories=repositories, workflows=pipelines.workflows(repositories), runs=runs,
        pulls=pipelines.pulls(now, repositories), releases=released, public_images=tuple(public.values()),
        containers=containers, experiments=learned.experiments, training=learned.training,
        models=learned.models, series=series, alerts=signals.alerts(series),
        timeline=signals.timeline(containers, flat),
    )  # fmt: skip
