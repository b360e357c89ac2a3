"""The story: the same for a seed, in step with itself, and with real repositories and real image bytes under it."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import math
from collections.abc import Iterator
from typing import Any

import pytest

from parts.practice import NOW, practice_story
from quarterdeck_demo.oci import build_image
from quarterdeck_demo.repos import git
from quarterdeck_demo.story import Story, Timeline, last_lines, log_lines


@pytest.fixture(scope="module")
def story() -> Iterator[Story]:
    with practice_story() as made:
        yield made


def told(story: Story) -> str:
    """The digest of the whole story, its folder apart."""
    values = {field.name: getattr(story, field.name) for field in dataclasses.fields(story) if field.name != "folder"}
    return hashlib.sha256(repr(values).replace(str(story.folder), "FOLDER").encode()).hexdigest()


def test_a_seed_and_a_moment_make_one_story(story: Story) -> None:
    with practice_story() as same, practice_story(seed=2) as other:
        assert told(same) == told(story)
        assert told(other) != told(story)
        assert other.containers[0].id != story.containers[0].id


def state_of(story: Story, name: str) -> dict[str, Any]:
    path = story.repositories[f"acme/{name}"].path
    lines = git(path, "status", "--porcelain=v2", "--branch").splitlines()
    ahead = next((line.split()[2:] for line in lines if line.startswith("# branch.ab")), [])
    return {"ahead": ahead, "dirty": sum(not line.startswith("#") for line in lines)}


def test_working_copies_stand_as_the_story_says(story: Story) -> None:
    assert state_of(story, "fraud-api") == {"ahead": ["+2", "-1"], "dirty": 3}
    assert state_of(story, "etl") == {"ahead": ["+0", "-14"], "dirty": 0}
    assert state_of(story, "infra") == {"ahead": ["+0", "-0"], "dirty": 0}
    api = story.repositories["acme/fraud-api"]
    assert "try: bigger pool" in git(api.path, "stash", "list")
    assert len(git(api.path, "worktree", "list").splitlines()) == 2
    assert git(api.path, "config", "remote.origin.url").strip() == "https://github.com/acme/fraud-api.git"
    assert git(api.path, "remote", "get-url", "origin").strip() == str(api.origin)


def test_fetching_brings_what_only_the_origin_has(story: Story) -> None:
    dashboards = story.repositories["acme/dashboards"]
    assert state_of(story, "dashboards")["ahead"] == ["+0", "-0"]
    git(dashboards.path, "fetch", "--quiet")
    assert state_of(story, "dashboards")["ahead"] == ["+0", "-1"]


def test_repositories_hold_the_commits_that_the_story_names(story: Story) -> None:
    for repository in story.repositories.values():
        assert git(repository.origin, "rev-parse", "main").strip() == repository.head
        known = git(repository.origin, "rev-list", "--all").split()
        assert set(known) <= set(repository.commits)
        git(repository.origin, "fsck", "--strict")
        for tag, sha in repository.tags.items():
            assert git(repository.origin, "rev-parse", tag).strip() == sha
    for pull in story.pulls:
        origin = story.repositories[pull.repository].origin
        assert git(origin, "rev-parse", f"refs/pull/{pull.number}/head").strip() == pull.sha


def test_a_release_ties_commit_run_and_image(story: Story) -> None:
    runs = {run.id: run for run in story.runs}
    releases = [release for group in story.releases.values() for release in group]
    assert [release.version for release in story.releases["fraud-api"]] == ["v38", "v39", "v40", "v41", "v42"]
    for release in releases:
        labels = release.image.labels
        assert labels["org.opencontainers.image.revision"] == release.sha == runs[release.run_id].sha
        assert labels["org.opencontainers.image.source"].endswith(f"acme/{release.service}")
        assert runs[release.run_id].number == release.run_number
        assert story.release_of(release.image.id) is release
        assert release.created_at < story.now
    assert len({release.image.digest for release in releases}) == len(releases)
    assert story.release_of("sha256:0") is None


def test_digests_are_those_of_the_bytes(story: Story) -> None:
    for image in (*story.registry_images, *story.public_images):
        manifest = json.loads(image.manifest.data)
        assert image.id == "sha256:" + hashlib.sha256(image.config.data).hexdigest() == manifest["config"]["digest"]
        for blob, entry in zip(image.layers, manifest["layers"], strict=True):
            expected = {"digest": "sha256:" + hashlib.sha256(blob.data).hexdigest(), "size": len(blob.data)}
            assert expected.items() <= entry.items()
    indexed = [image for image in story.registry_images if image.index]
    assert indexed
    for image in indexed:
        assert image.index is not None
        assert image.digest == image.index.digest != image.manifest.digest


def test_an_image_is_the_same_for_the_same_input() -> None:
    def made(env: str) -> str:
        return build_image("team/x", ["1"], created=NOW, layers=[{"a": b"1"}], env=[env]).digest

    assert made("A=1") == made("A=1") != made("A=2")


def test_containers_are_as_sketched(story: Story) -> None:
    by_name = {container.name: container for container in story.containers}
    assert len(by_name) == len(story.containers)
    third, etl = by_name["fraud-api-3"], by_name["etl"]
    assert (third.health, third.restarts, third.reference) == ("unhealthy", 4, f"{story.registry}/team/fraud-api:v41")
    assert (etl.state, etl.exit_code, etl.oom_killed, etl.restarts) == ("exited", 137, True, 6)
    assert by_name["scorer-1"].env["MODEL_VERSION"] == "17"
    assert by_name["redis"].release is None
    published = [port.host for container in story.containers for port in container.ports if port.host]
    assert len(published) == len(set(published))


def test_models_point_at_runs_and_runs_at_commits(story: Story) -> None:
    runs = {run.id: run for run in story.training}
    commits = {sha for repository in story.repositories.values() for sha in repository.commits}
    for model in story.models:
        assert set(model.aliases.values()) <= {version.version for version in model.versions}
        for version in model.versions:
            assert runs[version.run_id].tags["mlflow.source.git.commit"] in commits
    fraud = story.models[0]
    assert fraud.aliases == {"champion": 17, "challenger": 18}
    auc = [round(runs[v.run_id].curves["auc"].points(story.now)[-1].value, 3) for v in fraud.versions]
    assert auc == [0.918, 0.924, 0.929, 0.931, 0.938]


def test_training_goes_on_and_ends(story: Story) -> None:
    runs = {run.name: run for run in story.training}
    live, broken = runs["velocity-3"], runs["velocity-2"]
    now = story.now
    assert live.curves["loss"].points(now)[-1].step == 41
    assert live.curves["loss"].points(now + 35)[-1].step == 42
    assert [live.status_at(at) for at in (now, live.ends_at)] == ["RUNNING", "FINISHED"]
    values = [point.value for point in broken.curves["loss"].points(now)]
    assert [math.isnan(values[step]) for step in (8811, 8812, 8999)] == [False, True, True]


def test_the_incident_follows_the_release_of_v41(story: Story) -> None:
    line, now = story.timeline, story.now
    states = {alert.name: alert.state(now, line) for alert in story.alerts}
    assert states == {
        "FraudP95High": "firing", "DiskWillFill": "firing", "EtlLag": "pending", "ScorerDriftHigh": "inactive",
    }  # fmt: skip
    p95 = next(alert for alert in story.alerts if alert.name == "FraudP95High").series
    assert line.version("fraud-api", "prod", now - 3600) == "v40"
    assert p95.value(now - 3600, line) < 0.2 < 0.35 < p95.value(now, line)
    builds = [s for s in story.series if s.name == "service_build_info" and s.labels["env"] == "prod"]
    present = {s.labels["version"] for s in builds if s.service == "fraud-api" and s.present(now, line)}
    assert present == {"v41"}


def test_the_incident_ends_when_another_version_runs(story: Story) -> None:
    line = Timeline(list(story.timeline.entries))
    line.deployed(story.now, "fraud-api", "prod", "v42", broken=False)
    alert = next(alert for alert in story.alerts if alert.name == "FraudP95High")
    assert alert.series.value(story.now + 300, line) < 0.2
    assert alert.state(story.now + 300, line) == "inactive"
    line.deployed(story.now + 600, "fraud-api", "prod", "v41", broken=True)
    assert alert.series.value(story.now + 1200, line) > 0.35


def test_counters_only_rise_and_keep_their_shares(story: Story) -> None:
    line = story.timeline
    for series in story.series:
        if series.kind == "counter":
            values = [series.value(story.now + offset, line) for offset in range(-3600, 7200, 300)]
            assert values == sorted(values), series.name
    buckets = [s for s in story.series if s.name.endswith("_bucket") and s.labels["instance"] == "prod-1:8080"]
    for at in (story.now - 7200, story.now):
        rates = [b.value(at, line) - b.value(at - 60, line) for b in buckets]
        assert rates == sorted(rates)


def test_logs_are_one_stream_however_they_are_asked_for(story: Story) -> None:
    container = next(c for c in story.containers if c.name == "fraud-api-2")
    line, now = story.timeline, story.now
    whole = list(log_lines(container, now - 60, now, line))
    halves = [*log_lines(container, now - 60, now - 30, line), *log_lines(container, now - 30, now, line)]
    assert whole == halves == last_lines(container, len(whole), now, line)
    assert [entry.at for entry in whole] == sorted(entry.at for entry in whole)
    assert any("timeout after 400ms" in entry.text and entry.stream == "stderr" for entry in whole)
    first = next(iter(log_lines(container, 0, now, line)))
    assert first.text.endswith("starting fraud-api v41")
    etl = next(c for c in story.containers if c.name == "etl")
    assert last_lines(etl, 1, now, line)[0].text.endswith("killed (signal 9)")
    assert not list(log_lines(etl, etl.finished_at, now, line))
