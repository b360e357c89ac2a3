"""The practice engine's own world: the story's containers live with the clock."""

from __future__ import annotations

import json
import threading
from datetime import datetime

import pytest

from contract.docker_subjects import frames
from contract.docker_world import MINUTE, NOW, DockerWorld
from parts.process import wait_until
from quarterdeck_demo.story import Story


def test_the_storys_containers_are_there_as_told(docker_world: DockerWorld) -> None:
    listed = {c["Names"][0][1:]: c for c in docker_world.api.containers(all=True)}
    assert set(listed) == {c.name for c in docker_world.story.containers}
    for spec in docker_world.story.containers:
        found = listed[spec.name]
        assert (found["Id"], found["State"], found["Image"]) == (spec.id, spec.state, spec.reference)
        assert found["Labels"].items() >= spec.labels.items()
        details = docker_world.api.inspect_container(spec.id)
        assert details["RestartCount"] == spec.restarts
        assert details["State"]["OOMKilled"] is spec.oom_killed
        assert {f"{k}={v}" for k, v in spec.env.items()} <= set(details["Config"]["Env"])
    assert listed["etl"]["Status"] == "Exited (137) 11 minutes ago"
    assert listed["fraud-api-3"]["Status"].endswith("(unhealthy)")
    assert listed["fraud-api-1"]["Ports"] == [
        {"IP": "127.0.0.1", "PrivatePort": 8080, "PublicPort": 18081, "Type": "tcp"}
    ]


def test_two_worlds_of_one_story_are_alike(docker_story: Story, docker_world: DockerWorld) -> None:
    other = DockerWorld(docker_story)
    try:
        for each in (docker_world, other):
            each.live(20)
        assert docker_world.api.containers(all=True) == other.api.containers(all=True)
        assert docker_world.api.logs("fraud-api-2", tail=50) == other.api.logs("fraud-api-2", tail=50)
        assert docker_world.api.networks() == other.api.networks()
    finally:
        other.close()


def test_one_containers_health_comes_and_goes(docker_world: DockerWorld) -> None:
    seen = []
    for _ in range(40):
        before = docker_world.clock.now
        docker_world.live(10, 5.0)
        seen += [a for a in docker_world.actions("fraud-api-2", before) if a.startswith("health_status")]
    assert seen[:4] in (
        ["health_status: unhealthy", "health_status: healthy"] * 2,
        ["health_status: healthy", "health_status: unhealthy"] * 2,
    )
    health = docker_world.api.inspect_container("fraud-api-2")["State"]["Health"]
    assert len(health["Log"]) == 5
    assert {entry["ExitCode"] for entry in health["Log"]} <= {0, 1}


def test_the_etl_runs_out_of_memory_and_comes_back(docker_world: DockerWorld) -> None:
    began = docker_world.clock.now
    docker_world.api.start("etl")
    docker_world.live(30)
    actions = docker_world.actions("etl", began)
    early = docker_world.api.stats("etl", stream=False, one_shot=True)["memory_stats"]["usage"]
    docker_world.live(60)
    late = docker_world.api.stats("etl", stream=False, one_shot=True)["memory_stats"]
    assert early < late["usage"] < late["limit"] == 512 * 1024**2
    while actions[-1:] != ["start"] or "oom" not in actions:
        assert docker_world.clock.now < began + 10 * MINUTE
        before = docker_world.clock.now
        docker_world.live(2)
        actions += [action for action in docker_world.actions("etl", before) if not action.startswith("health_status")]
    assert [action for action in actions if not action.startswith("health_status")] == ["start", "oom", "die", "start"]
    assert docker_world.api.inspect_container("etl")["RestartCount"] == 1
    old = docker_world.api.logs("etl", stdout=False).decode()
    assert "ERROR worker was killed (signal 9)" in old


def test_lines_follow_the_clock_and_a_resumed_log_has_no_gap_and_no_doubles(docker_world: DockerWorld) -> None:
    got: list[bytes] = []
    follower = docker_world.client()
    stream = follower.logs("fraud-api-1", stream=True, follow=True, tail=0, timestamps=True)
    thread = threading.Thread(target=lambda: got.extend(stream), daemon=True)
    thread.start()
    wait_until(lambda: any(s.path.endswith("/logs") for s in docker_world.engine.server.requests), "the request")
    docker_world.live(30)
    expected = docker_world.api.logs("fraud-api-1", since=NOW, timestamps=True)
    wait_until(lambda: b"".join(got) == expected, "the followed lines")
    assert expected.count(b"\n") > 10
    assert b"ERROR" in docker_world.api.logs("fraud-api-2", tail=200)
    lines = expected.splitlines(keepends=True)
    second = _unix(lines[5].split()[0].decode())
    url = f"http+docker://localhost/v1.47/containers/fraud-api-1/logs?stdout=1&stderr=1&timestamps=1&since={second}"
    resumed = [data for _, data in frames(docker_world.api.get(url).content)]
    assert resumed == lines[5:]
    docker_world.api.stop("fraud-api-1", timeout=1)
    thread.join(10)
    assert not thread.is_alive()


def test_tail_gives_exactly_as_many_lines_and_one_service_writes_json(docker_world: DockerWorld) -> None:
    assert docker_world.api.logs("redis", tail=7).count(b"\n") == 7
    whole = docker_world.api.logs("scorer-1", tail=25).decode().splitlines()
    assert len(whole) == 25
    assert all(json.loads(line)["level"] in ("info", "warn", "error") for line in whole)


def test_a_host_of_the_second_cgroup_version_counts_otherwise(docker_world: DockerWorld) -> None:
    stats = docker_world.api.stats("fraud-api-1", stream=False)
    assert "percpu_usage" not in stats["cpu_stats"]["cpu_usage"]
    assert "max_usage" not in stats["memory_stats"]
    assert {"inactive_file", "anon", "file"} <= set(stats["memory_stats"]["stats"])
    assert stats["pids_stats"]["limit"] > 0


def test_cpu_use_is_near_what_the_story_says(docker_world: DockerWorld) -> None:
    spec = next(c for c in docker_world.story.containers if c.name == "fraud-api-2")
    used = []
    for _ in range(2):
        used.append(docker_world.api.stats(spec.id, stream=False, one_shot=True)["cpu_stats"])
        docker_world.live(47 * 2, 47)
    cpu = used[1]["cpu_usage"]["total_usage"] - used[0]["cpu_usage"]["total_usage"]
    system = (used[1]["system_cpu_usage"] - used[0]["system_cpu_usage"]) / used[0]["online_cpus"]
    assert cpu / system * 100 == pytest.approx(spec.cpu, rel=0.02)


def _unix(stamp: str) -> str:
    whole, _, fraction = stamp.rstrip("Z").partition(".")
    return f"{int(datetime.fromisoformat(whole + '+00:00').timestamp())}.{fraction}"
