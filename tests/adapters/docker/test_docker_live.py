"""Rows that follow the engine's events: the same on the practice engine and on a real one."""

from __future__ import annotations

import asyncio
import os
from contextlib import aclosing

import pytest

from quarterdeck_adapters.docker import mapping
from quarterdeck_lifecycle.errors import NotFound, Unavailable, Unsupported
from quarterdeck_lifecycle.ports import Acts, Describes, LogOptions, OpensShell, Samples, Source, TailsLogs, Watches
from quarterdeck_lifecycle.records import Ref, Status

from .conftest import Rig, make_source, until

SLEEPS = "trap 'exit 0' TERM; while true; do sleep 0.05; done"


async def next_word(changes: object) -> None:
    async with asyncio.timeout(20):
        await anext(changes)  # type: ignore[call-overload]


def test_it_satisfies_the_ports() -> None:
    source = make_source("unix:///nowhere.sock")
    for port in (Source, Watches, Describes, TailsLogs, Samples, OpensShell, Acts):
        assert isinstance(source, port), port


async def test_every_kind_is_listed(rig: Rig) -> None:
    rig.subject.api.create_volume("kept", labels={"owner": "team"})
    host = {"Binds": ["kept:/data"]}
    labels = {"com.docker.compose.project": "fraud", "com.docker.compose.service": "api"}
    id = rig.subject.run("api", SLEEPS, host=host, Labels=labels)
    row = await rig.row("api")
    assert row.ref == Ref("local", "container", id)
    assert (row.status, row.state, row.project, row.service) == (Status.OK, "running", "fraud", "api")
    assert (row.networks, row.mounts, row.labels["team"]) == (("test-net",), ("kept:/data",), "fraud")
    image = await rig.row("test/box:1", "image")
    assert (image.ref.id, image.containers) == (row.image_id, 1)
    volume = await rig.row("kept", "volume")
    assert (volume.state, volume.labels) == ("used by 1", {"owner": "team"})
    network = await rig.row("test-net", "network")
    assert network.state == "used by 1"
    assert (await rig.source.list("container")).rows == (await rig.source.list("container")).rows
    with pytest.raises(Unsupported):
        await rig.source.list("pod")


async def test_an_event_tells_each_kind_it_touches(rig: Rig) -> None:
    containers, images = rig.source.watch("container"), rig.source.watch("image")
    async with aclosing(containers), aclosing(images):
        await next_word(containers)
        await next_word(images)
        rig.subject.run("new", SLEEPS)
        await next_word(containers)
        await rig.row_when("new", lambda row: row.state == "running")
        await next_word(images)
        assert (await rig.row("test/box:1", "image")).containers == 1
        rig.subject.api.pause("new")
        await next_word(containers)
        row = await rig.row_when("new", lambda row: row.state == "paused")
        assert row.status is Status.LOOK


async def test_health_is_told_with_what_the_check_said(rig: Rig) -> None:
    check = {"Test": ["CMD-SHELL", "echo broken; exit 1"], "Interval": 50_000_000, "Retries": 2, "Timeout": 10**9}
    changes = rig.source.watch("container")
    async with aclosing(changes):
        await next_word(changes)
        rig.subject.run("sick", SLEEPS, Healthcheck=check)
        row = await rig.row_when("sick", lambda row: row.status is Status.BAD)
    assert row.state.startswith("unhealthy ")
    assert (row.health, row.note) == ("unhealthy", "broken")


async def test_a_crash_loop_counts_its_restarts(rig: Rig) -> None:
    changes = rig.source.watch("container")
    async with aclosing(changes):
        await next_word(changes)
        policy = {"RestartPolicy": {"Name": "on-failure", "MaximumRetryCount": 2}}
        rig.subject.run("crashing", "exit 3", host=policy)
        row = await rig.row_when("crashing", lambda row: row.state == "exited 3" and row.restarts == 2)
    assert (row.status, row.exit_code) == (Status.BAD, 3)
    assert row.updated_at > row.created_at


async def test_calm_containers_are_not_inspected(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    from quarterdeck_adapters.docker.transport import Client

    rig.subject.run("calm", SLEEPS)
    rig.subject.run("ended", "exit 0")
    rig.subject.until("ended", "exited")
    asked: list[str] = []
    send = Client.send

    def recorded(self: Client, request: object, **options: object) -> object:
        asked.append(request.path_url.partition("?")[0])  # type: ignore[attr-defined]
        return send(self, request, **options)

    monkeypatch.setattr(Client, "send", recorded)
    await rig.source.list("container")
    await rig.source.list("container")
    assert [path for path in asked if path.endswith("/containers/json")] != []
    assert [path for path in asked if path.endswith("/json") and path.count("/") > 3] == []


async def test_what_an_inspect_told_holds_until_the_next_trouble(rig: Rig) -> None:
    rig.subject.run("bad", "exit 2")
    rig.subject.until("bad", "exited")
    changes = rig.source.watch("container")
    async with aclosing(changes):  # type: ignore[type-var]
        await next_word(changes)
        first = await rig.row("bad")
        assert await rig.row("bad") == first
        rig.subject.raw("POST", "/containers/bad/start")
        rig.subject.until("bad", "exited")
        started = mapping.epoch(rig.subject.state("bad")["FinishedAt"])
        await rig.row_when("bad", lambda row: row.updated_at > first.updated_at)
        held = rig.source.inventory()._facts[first.ref.id][1]
    assert held.finished_at == started


async def test_the_stream_that_ends_is_said_and_can_be_had_again(rig: Rig) -> None:
    changes = rig.source.watch("container")
    async with aclosing(changes):
        await next_word(changes)
        await asyncio.to_thread(rig.crash) if not rig.real else rig.crash()
        with pytest.raises(Unavailable):
            await next_word(changes)

    async def again() -> bool:
        fresh = rig.source.watch("container")
        async with aclosing(fresh):
            try:
                await next_word(fresh)
            except Unavailable:
                return False
            return True

    assert await until(again, "the stream to be back")
    assert (await rig.row("test-net", "network")).name == "test-net"


async def test_a_container_that_goes_between_two_calls_is_no_error(rig: Rig) -> None:
    rig.subject.run("bad", "exit 2")
    rig.subject.until("bad", "exited")
    inventory = rig.source.inventory()
    entries = await inventory.containers()
    ref = (await rig.row("bad")).ref
    rig.subject.api.remove_container("bad")
    inventory._facts.clear()
    await inventory._inspect(entries)
    assert inventory._facts == {}
    with pytest.raises(NotFound):
        await rig.source.describe(ref)
    with pytest.raises(NotFound):
        await rig.source.actions["container.start"].preview(ref, {})


async def test_two_hundred_containers_under_churn(rig: Rig) -> None:
    count = 30 if rig.real else 200
    for number in range(count):
        rig.subject.run(f"many-{number}", "exit 0", start=False)
    stop = asyncio.Event()

    def churn() -> None:
        number = 0
        while not stop.is_set():
            rig.subject.run(f"churn-{number}", "exit 1")
            rig.subject.api.remove_container(f"churn-{number}", force=True)
            number += 1

    changes = rig.source.watch("container")
    churning = asyncio.create_task(asyncio.to_thread(churn))
    try:
        async with aclosing(changes):
            for _ in range(8):
                await next_word(changes)
                names = {row.name for row in (await rig.source.list("container")).rows}
                assert {f"many-{number}" for number in range(count)} <= names
    finally:
        stop.set()
        await churning


async def test_hostile_labels_and_commands_are_shown_and_do_nothing(rig: Rig) -> None:
    hostile = "\x1b]0;title\x07\x9b31m\u202e[@click=app.quit]x[/]"
    labels = {"com.docker.compose.project": hostile, "org.opencontainers.image.revision": hostile, hostile: hostile}
    id = rig.subject.run("hostile", f"echo '{hostile}'", Labels=labels, Env=[f"X={hostile}"])
    rig.subject.until("hostile", "exited")
    row = await rig.row("hostile")
    shown = [row.project, row.command, *row.labels, *row.labels.values(), *(link.value for link in row.links)]
    for section in await rig.source.describe(Ref("local", "container", id)):
        shown += [section.text, *(text for field in section.fields for text in field)]
        shown += [cell for line in section.table for cell in line]
    assert all(text.replace("\n", "").replace("\t", "").isprintable() for text in shown)
    assert any("[@click=app.quit]x[/]" in text for text in shown)
    preview = await rig.source.actions["container.remove"].preview(row.ref, {})
    assert preview.title == "remove hostile"


async def test_nothing_is_left_open(rig: Rig) -> None:
    rig.subject.run("app", SLEEPS)
    before = len(os.listdir("/proc/self/fd"))
    source = make_source(rig.subject.url)
    for _ in range(5):
        rows = (await source.list("container")).rows
        with pytest.raises(NotFound):
            await source.describe(Ref("local", "container", "0" * 64))
        async with aclosing(source.watch("container")) as changes:  # type: ignore[type-var]
            await next_word(changes)
        async with aclosing(source.logs([rows[0].ref], LogOptions())) as batches:  # type: ignore[type-var]
            reading = asyncio.create_task(anext(batches))
            await asyncio.sleep(0)
            reading.cancel()
            with pytest.raises(asyncio.CancelledError):
                await reading
        late = asyncio.create_task(source.list("image"))
        await asyncio.sleep(0)
        late.cancel()
        with pytest.raises(asyncio.CancelledError):
            await late
    await source.close()

    async def closed() -> bool:
        return len(os.listdir("/proc/self/fd")) <= before

    assert await until(closed, "every socket to be closed")
