"""An operation's folder: a log that is whole from its first byte, locks that end with their holder, kept evidence."""

import asyncio
import errno
import os
import stat
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from quarterdeck.releasing import locks, opfolder
from quarterdeck.releasing.opfolder import OpFolder
from quarterdeck_lifecycle.release.model import Event

HOLD = """
import sys
from pathlib import Path
from quarterdeck.releasing.locks import hold
handle = hold(Path(sys.argv[1]), "worker")
print(handle is not None, flush=True)
sys.stdin.read()
"""


@pytest.fixture
def folder(tmp_path: Path) -> OpFolder:
    made = OpFolder(tmp_path / "state", "0193")
    made.make()
    return made


class Held:
    """The worker's lock, held by this process until it lets go."""

    def __init__(self, folder: OpFolder) -> None:
        self._handle = folder.hold("worker")
        assert self._handle is not None

    def let_go(self) -> None:
        handle, self._handle = self._handle, None
        if handle is not None:
            os.close(handle)


@pytest.fixture
def held(folder: OpFolder) -> Iterator[Held]:
    lock = Held(folder)
    yield lock
    lock.let_go()


class Follower:
    """A viewer whose events can be asked for one by one."""

    def __init__(self, events: AsyncIterator[Event]) -> None:
        self._events = events

    async def next(self) -> Event | None:
        return await asyncio.wait_for(anext(self._events, None), 20)

    async def rest(self) -> list[Event]:
        return [event async for event in self._events]


def test_a_folder_is_its_owners_alone(folder: OpFolder) -> None:
    folder.append("", "plan", "deploy")
    folder.keep("new local/fraud-api", "\n".join(f"line {n}" for n in range(3000)))
    assert stat.S_IMODE(folder.path.stat().st_mode) == 0o700
    for path in folder.path.iterdir():
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    kept = folder.kept()["new-local-fraud-api"].splitlines()
    assert (len(kept), kept[0], kept[-1]) == (2000, "line 1000", "line 2999")


def test_a_shared_state_folder_shares_its_operations(tmp_path: Path) -> None:
    state = tmp_path / "state"
    state.mkdir()
    state.chmod(0o770)
    folder = OpFolder(state, "0193")
    folder.make()
    folder.append("", "plan", "deploy")
    assert stat.S_IMODE(folder.path.stat().st_mode) & 0o777 == 0o770
    assert stat.S_IMODE((folder.path / "log").stat().st_mode) == 0o660


def test_a_link_in_the_place_of_the_log_is_not_followed(folder: OpFolder, tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_text("precious")
    (folder.path / "log").symlink_to(victim)
    folder.append("", "plan", "deploy")
    assert victim.read_text() == "precious"
    assert folder.lost == 1


def test_numbers_go_on_where_another_process_stopped(folder: OpFolder) -> None:
    assert folder.append("", "plan", "a").seq == 1
    assert folder.append("01 lease", "intent", "b").seq == 2
    again = OpFolder(folder.path.parent.parent, "0193")
    assert again.append("01 lease", "outcome", "c").seq == 3
    assert [event.seq for event in again.events()] == [1, 2, 3]
    assert again.last_step() == "01 lease"


async def test_a_viewer_sees_all_from_the_first_byte_and_ends_with_the_result(folder: OpFolder, held: Held) -> None:
    folder.append("", "plan", "deploy")
    viewer = Follower(folder.follow())
    first = await viewer.next()
    assert first is not None
    assert first.message == "deploy"
    folder.append("02 pull", "progress", "half \x1b[2J")
    second = await viewer.next()
    assert second is not None
    assert second.message == "half ␛"
    folder.append("", "outcome", "done", "SUCCEEDED")
    held.let_go()
    assert [event.result for event in await viewer.rest()] == ["SUCCEEDED"]
    assert [event.seq for event in await Follower(folder.follow()).rest()] == [1, 2, 3]


async def test_a_torn_line_is_waited_for_and_not_lost(folder: OpFolder, held: Held) -> None:
    folder.append("", "plan", "deploy")
    line = b'{"op":"0193","seq":2,"at":"2026","step":"","phase":"note","message":"torn","result":""}\n'
    log = (folder.path / "log").open("ab", buffering=0)
    log.write(line[:30])
    viewer = Follower(folder.follow())
    await viewer.next()
    waiting = asyncio.create_task(viewer.next())
    await asyncio.sleep(0)
    assert not waiting.done()
    log.write(line[30:])
    log.close()
    event = await waiting
    assert event is not None
    assert event.message == "torn"


async def test_after_a_torn_line_of_a_dead_writer_the_next_one_is_whole(folder: OpFolder, held: Held) -> None:
    folder.append("", "plan", "deploy")
    with (folder.path / "log").open("ab") as log:
        log.write(b'{"op":"0193","seq":2,')
    again = OpFolder(folder.path.parent.parent, "0193")
    again.append("", "outcome", "put back", "ROLLED_BACK")
    assert [event.message for event in again.events()] == ["deploy", "put back"]


async def test_a_dead_runner_is_told(folder: OpFolder) -> None:
    folder.append("", "plan", "deploy")
    events = await Follower(folder.follow()).rest()
    assert [event.phase for event in events] == ["plan", "dead"]
    assert "quarterdeck recover 0193" in events[-1].message


async def test_what_was_stuck_and_goes_on_is_followed_to_its_new_end(folder: OpFolder, held: Held) -> None:
    folder.append("", "outcome", "both are down", "STUCK")
    folder.append("b01 put-back", "intent", "again")
    folder.append("", "outcome", "put back", "ROLLED_BACK")
    held.let_go()
    events = await Follower(folder.follow()).rest()
    assert [event.result for event in events] == ["STUCK", "", "ROLLED_BACK"]


def test_a_lock_ends_with_its_holder_however_it_ends(folder: OpFolder) -> None:
    holder = subprocess.Popen(
        [sys.executable, "-I", "-c", HOLD, str(folder.path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    try:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"True\n"
        assert folder.alive()
        assert folder.hold("worker") is None
        holder.kill()
        holder.wait(20)
        assert not folder.alive()
        handle = folder.hold("worker")
        assert handle is not None
        os.close(handle)
    finally:
        holder.kill()
        holder.communicate()


def test_looking_does_not_keep_anybody_from_a_lock(folder: OpFolder, held: Held) -> None:
    assert all(folder.alive() for _ in range(10))
    assert not locks.held(folder.path, "supervisor")
    assert not (folder.path / "supervisor").exists()


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EIO, errno.EDQUOT])
def test_a_full_or_failing_disk_stops_nothing_and_is_counted(
    folder: OpFolder, number: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder.append("", "plan", "deploy")

    def fail(*_: object) -> int:
        raise OSError(number, os.strerror(number))

    with monkeypatch.context() as patch:
        patch.setattr(opfolder.os, "write", fail)
        folder.append("02 pull", "progress", "lost")
    folder.append("", "outcome", "done", "SUCCEEDED")
    assert folder.lost == 1
    assert [event.message for event in folder.events()] == ["deploy", "done"]


def test_a_line_that_was_cut_short_counts_as_lost(folder: OpFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    folder.append("", "plan", "deploy")
    write = os.write
    with monkeypatch.context() as patch:
        patch.setattr(opfolder.os, "write", lambda handle, data: write(handle, data[:5]))
        folder.append("02 pull", "progress", "lost")
    folder.append("", "outcome", "done", "SUCCEEDED")
    assert folder.lost == 1
    assert [event.message for event in folder.events()] == ["deploy", "done"]
