"""Releases whose disk is full: a real one of a few megabytes holds the operator's state, or the engine's data."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from parts.releasing import ReleaseWorld, reached, result
from parts.smalldisk import SmallDisk, small_disk
from quarterdeck_lifecycle.release.model import Event

STATE_MB = 12


@pytest.fixture(scope="module")
def small() -> Iterator[tuple[ReleaseWorld, SmallDisk]]:
    """A world whose state folder is a disk of its own."""
    made = ReleaseWorld()
    try:
        with small_disk(made.state, STATE_MB) as disk, made:
            yield made, disk
    except PermissionError as error:
        pytest.skip(str(error))


@pytest.fixture
def world(small: tuple[ReleaseWorld, SmallDisk]) -> Iterator[ReleaseWorld]:
    made, disk = small
    made.reset()
    yield made
    disk.free()
    made.settle()


@pytest.fixture
def disk(small: tuple[ReleaseWorld, SmallDisk]) -> SmallDisk:
    return small[1]


def waits(event: Event) -> bool:
    return "the hook waits" in event.message


def in_gate(event: Event) -> bool:
    return event.phase == "progress" and " gate " in event.step and "0 of 2 passes" in event.message


def test_a_full_state_disk_releases_nothing_and_is_named(world: ReleaseWorld, disk: SmallDisk) -> None:
    world.ledger()
    before, many = world.serving(), len(world.operations())
    disk.fill()
    done = world.release("deploy", world.other())
    assert done.code == 1, done
    assert str(world.state) in done.err, done.err
    assert "full" in done.err or "space" in done.err, done.err
    assert (world.serving(), len(world.operations())) == (before, many)


def test_a_state_disk_that_fills_up_before_the_switch_leaves_all_as_it_was(
    world: ReleaseWorld, disk: SmallDisk
) -> None:
    before, go = world.serving(), world.waiting_hook()
    folder = world.detached(world.other())
    reached(folder, waits)
    disk.fill()
    go.touch()
    assert result(folder) == "FAILED"
    said = folder.events()[-1].message
    assert str(world.state) in said, said
    assert "space" in said, said
    assert world.serving() == before
    disk.free()
    assert world.run("ledger", "--verify").code == 0


def test_a_state_disk_that_fills_up_after_the_switch_stops_no_way_back(world: ReleaseWorld, disk: SmallDisk) -> None:
    before = world.serving()
    world.shut()
    folder = world.detached(world.other())
    reached(folder, in_gate)
    assert world.serving() != before
    disk.fill()
    world.open()
    assert result(folder) == "ROLLED_BACK"
    said = folder.events()[-1].message
    assert str(world.state) in said, said
    assert world.serving() == before
    disk.free()
    assert world.run("ledger", "--verify").code == 0
    assert world.run("recover").out.startswith("nothing to recover")


def test_a_full_state_disk_stops_no_rollback(world: ReleaseWorld, disk: SmallDisk) -> None:
    """What every deploy left aside for it is enough, and the next deploy wants it there again."""
    assert world.release("deploy", world.other()).code == 0
    before = world.serving()
    disk.fill()
    done = world.release("rollback")
    assert done.code == 0, done
    assert world.serving() != before
    refused = world.release("deploy", world.other())
    assert refused.code == 1, refused
    assert str(world.state) in refused.err, refused.err
    disk.free()
    assert world.run("ledger", "--verify").code == 0
    assert world.release("deploy", world.other()).code == 0
