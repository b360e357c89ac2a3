"""Logs that lose and double nothing: on the practice engine and on a real one."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing
from typing import Any

import pytest

from quarterdeck_adapters.docker import kin, tailing
from quarterdeck_demo import faults
from quarterdeck_lifecycle.errors import NotFound, Unavailable, Unsupported
from quarterdeck_lifecycle.ports import LogBatch, LogOptions
from quarterdeck_lifecycle.records import Ref

from .conftest import Rig

# Numbered lines, one every hundredth of a second, for ever.
COUNTS = "trap 'exit 0' TERM; i=0; while true; do echo line $i; i=$((i+1)); sleep 0.01; done"
ENDLESS = "trap 'exit 0' TERM; echo up; while true; do sleep 0.05; done"
ALWAYS = {"RestartPolicy": {"Name": "always"}}


class Heard:
    """What a log gave so far."""

    def __init__(self, batches: AsyncIterator[LogBatch]) -> None:
        self.batches, self.lines, self.notices = batches, [], []  # type: ignore[var-annotated]

    async def until(self, enough: Callable[[Heard], object]) -> Heard:
        """Read on until it is enough, or to the end."""
        async with asyncio.timeout(40):
            while not enough(self):
                try:
                    batch = await anext(self.batches)
                except StopAsyncIteration:
                    break
                self.lines += batch.lines
                self.notices += [batch.notice] if batch.notice else []
        return self

    @property
    def texts(self) -> list[str]:
        return [line.text for line in self.lines]

    def numbers(self) -> list[int]:
        return [int(text.removeprefix("line ")) for text in self.texts if re.fullmatch(r"line \d+", text)]


async def refs(rig: Rig, *names: str) -> list[Ref]:
    return [(await rig.row(name)).ref for name in names]


async def everything(rig: Rig, names: list[str], **options: Any) -> Heard:
    batches = rig.source.logs(await refs(rig, *names), LogOptions(**{"follow": False, **options}))
    return await Heard(batches).until(lambda _: False)


async def test_the_last_lines_of_both_streams_with_their_times(rig: Rig) -> None:
    rig.subject.run("talks", "echo one; sleep 0.02; echo two >&2; sleep 0.02; echo three; exit 0")
    rig.subject.until("talks", "exited")
    heard = await everything(rig, ["talks"])
    assert heard.texts == ["one", "two", "three"]
    times = [line.at for line in heard.lines]
    assert times == sorted(times)
    assert {line.source for line in heard.lines} == {"talks"}
    assert (await everything(rig, ["talks"], tail=1)).texts == ["three"]
    middle = heard.lines[1].at
    assert (await everything(rig, ["talks"], since=middle)).texts == ["two", "three"]
    assert (await everything(rig, ["talks"], until=middle - 0.001, tail=5)).texts == ["one"]


async def test_a_tty_and_colours_and_hostile_bytes(rig: Rig) -> None:
    script = "echo '\x1b[31mred\x1b[0m \x1b]0;title\x07x'; echo plain"
    rig.subject.run("tty", script, Tty=True)
    rig.subject.run("raw", script)
    for name in ("tty", "raw"):
        rig.subject.until(name, "exited")
        heard = await everything(rig, [name])
        assert heard.texts[-1] == "plain", name
        assert heard.texts[0].startswith("red "), name
        assert heard.lines[0].spans[0] == (0, 3, "red")
        assert all(text.isprintable() for text in heard.texts)


async def test_several_logs_are_one_in_the_order_of_time(rig: Rig) -> None:
    rig.subject.run("second", "echo b", start=False)
    rig.subject.run("first", "echo a; sleep 1.5; echo a")
    rig.subject.raw("POST", "/containers/second/start")
    for name in ("first", "second"):
        rig.subject.until(name, "exited")
    heard = await everything(rig, ["first", "second"])
    times = [line.at for line in heard.lines]
    assert times == sorted(times)
    assert {line.source for line in heard.lines} == {"first", "second"}
    assert heard.texts == ["a", "b", "a"]


async def test_live_lines_of_several_come_in_order(rig: Rig) -> None:
    names = ["one", "two", "three"]
    for name in names:
        rig.subject.run(name, ENDLESS if not rig.real else COUNTS)
    batches = rig.source.logs(await refs(rig, *names), LogOptions(tail=5))
    async with aclosing(batches):
        heard = await Heard(batches).until(lambda h: {line.source for line in h.lines} == set(names))
        if rig.real:
            await heard.until(lambda h: len(h.lines) > 150)
    times = [line.at for line in heard.lines]
    assert times == sorted(times)


@pytest.mark.real("docker.io", "busybox-static")
@pytest.mark.parametrize("bare_rig", ["real"], indirect=True)
async def test_no_line_is_lost_or_doubled_when_the_engine_is_killed(rig: Rig) -> None:
    rig.subject.run("counts", COUNTS)
    batches = rig.source.logs(await refs(rig, "counts"), LogOptions(tail=10_000))
    async with aclosing(batches):
        heard = await Heard(batches).until(lambda h: len(h.lines) > 50)
        rig.engine.kill()
        await heard.until(lambda h: any("trying again" in notice for notice in h.notices))
        rig.engine.start()
        await heard.until(lambda h: any("exited" in notice for notice in h.notices))
        # Without live-restore the engine ends what it finds running; its log holds all that was written until then.
        rig.subject.raw("POST", "/containers/counts/start")
        before = len(heard.lines)
        await heard.until(lambda h: len(h.lines) > before + 20)
    runs: list[list[int]] = []
    for number in heard.numbers():
        if number == 0:
            runs.append([])
        runs[-1].append(number)
    assert [run == list(range(len(run))) for run in runs] == [True, True]
    written = rig.subject.output("counts").decode().split("line 0\n")[1]
    assert len(runs[0]) == written.count("\n") + 1


async def test_it_goes_on_after_a_restart_of_the_engine(rig: Rig) -> None:
    rig.subject.run("service", ENDLESS, host=ALWAYS)
    batches = rig.source.logs(await refs(rig, "service"), LogOptions())
    async with aclosing(batches):
        heard = await Heard(batches).until(lambda h: h.texts == ["up"])
        reading = asyncio.create_task(heard.until(lambda h: len(h.texts) > 1))
        await asyncio.sleep(0)
        rig.crash()
        rig.subject.until("service", "running")
        rig.subject.raw("POST", "/containers/service/restart?t=1")
        await reading
        total = rig.subject.output("service").decode().count("up\n")
        await heard.until(lambda h: len(h.texts) >= total)
    assert heard.texts == ["up"] * total


@pytest.mark.parametrize("bare_rig", ["practice"], indirect=True)
async def test_a_history_that_is_cut_in_the_middle_is_read_to_its_end(rig: Rig) -> None:
    assert rig.practice is not None
    rig.subject.run("talks", "; ".join(f"echo line {n}" for n in range(40)) + "; while true; do sleep 0.05; done")
    rig.practice.docker.faults.add(faults.Truncate(framed=False), path="/logs", count=1)
    batches = rig.source.logs(await refs(rig, "talks"), LogOptions())
    async with aclosing(batches):  # type: ignore[type-var]
        heard = await Heard(batches).until(lambda h: len(h.lines) >= 40)
    assert heard.numbers() == list(range(40))
    rig.practice.docker.faults.add(faults.Truncate(framed=False), path="/logs", count=1)
    with pytest.raises(Unavailable, match="in the middle"):
        await everything(rig, ["talks"])


def test_who_took_whose_place() -> None:
    def entry(id: str, name: str, created: int, state: str = "running", service: str = "") -> dict[str, Any]:
        labels = {"com.docker.compose.project": "p", "com.docker.compose.service": service} if service else {}
        return {"Id": id, "Names": [f"/{name}"], "Created": created, "State": state, "Labels": labels}

    old, new = entry("1", "api", 10, "exited"), entry("2", "api", 20)
    assert kin.successor([old, new, entry("3", "other", 30)], old) == new
    assert kin.successor([old, entry("2", "api", 20, "created")], old) is None
    assert kin.successor([old, entry("2", "api", 5)], old) is None
    by_role, next_role = entry("1", "p-api-1", 10, "exited", "api"), entry("2", "p_api_2", 20, service="api")
    assert kin.successor([by_role, next_role, entry("3", "db", 30, service="db")], by_role) == next_role
    renamed = entry("4", "0123456789ab_api", 15, "exited")
    assert kin.predecessor([old, new, renamed, entry("5", "apis", 16)], new) == renamed
    assert kin.predecessor([new, entry("5", "worker", 1)], new) is None


async def test_the_container_that_takes_its_place_goes_on(rig: Rig) -> None:
    labels = {"com.docker.compose.project": "p", "com.docker.compose.service": "api"}
    rig.subject.run("api", ENDLESS, Labels=labels)
    batches = rig.source.logs(await refs(rig, "api"), LogOptions())
    async with aclosing(batches):
        heard = await Heard(batches).until(lambda h: h.texts == ["up"])
        rig.subject.api.rename("api", "api-previous")
        rig.subject.api.stop("api-previous", timeout=5)
        rig.subject.run("api", "echo new; " + ENDLESS, Labels=labels)
        await heard.until(lambda h: len(h.texts) == 3)
    assert heard.texts == ["up", "new", "up"]
    assert any(notice.startswith("replaced by api (") for notice in heard.notices)
    old = await everything(rig, ["api"], previous=True)
    assert old.texts == ["up"]
    assert {line.source for line in old.lines} == {"api-previous"}


async def test_a_removed_container_is_said_and_the_log_ends(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tailing, "REPLACED_WITHIN_S", 0.3)
    rig.subject.run("brief", ENDLESS)
    batches = rig.source.logs(await refs(rig, "brief"), LogOptions())
    heard = await Heard(batches).until(lambda h: h.texts == ["up"])
    rig.subject.api.remove_container("brief", force=True)
    await heard.until(lambda _: False)
    assert heard.notices[-1] in ("brief was removed", "brief exited 137")


async def test_a_log_that_cannot_be_had_says_why(rig: Rig) -> None:
    rig.subject.run("here", "exit 0")
    rig.subject.until("here", "exited")
    gone = Ref("local", "container", "0" * 64)
    with pytest.raises(NotFound):
        await Heard(rig.source.logs([gone], LogOptions())).until(lambda _: False)
    here = (await refs(rig, "here"))[0]
    heard = await Heard(rig.source.logs([here, gone], LogOptions(follow=False))).until(lambda _: False)
    assert "gone" in heard.notices[0]
    with pytest.raises(Unsupported):
        await Heard(rig.source.logs([here] * 33, LogOptions())).until(lambda _: False)
    with pytest.raises(NotFound, match="previous"):
        await Heard(rig.source.logs([here], LogOptions(previous=True))).until(lambda _: False)
    with pytest.raises(Unsupported):
        rig.source.logs([Ref("local", "image", "x")], LogOptions())


@pytest.mark.real("docker.io", "busybox-static")
@pytest.mark.parametrize("bare_rig", ["real"], indirect=True)
async def test_a_line_longer_than_the_engines_parts_is_one_line(rig: Rig) -> None:
    rig.subject.run("long", "head -c 100000 /dev/zero | tr '\\0' x; echo; echo after; echo no end | tr -d '\\n'")
    rig.subject.until("long", "exited")
    heard = await everything(rig, ["long"])
    assert [len(text) > 16384 for text in heard.texts] == [True, False, False]
    assert heard.texts[0].endswith(f"… +{100_000 - 16 * 1024} bytes")
    assert heard.texts[1:] == ["after", "no end"]
