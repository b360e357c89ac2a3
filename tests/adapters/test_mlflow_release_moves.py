"""An alias moved by a release and put back: twice, from whatever a stop leaves, and never over a stranger's move."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable

import pytest

from parts.mlflow_lab import Lab, practice, ref
from parts.mlflow_releases import ALIAS, Bench, Broken, Writes, filled, quiet
from quarterdeck_lifecycle.errors import Conflict
from quarterdeck_lifecycle.permit import permit
from quarterdeck_lifecycle.release.aliases import Move
from quarterdeck_lifecycle.release.choosing import choose_rollback
from quarterdeck_lifecycle.release.ports import LeaseLost
from quarterdeck_lifecycle.served import move_told


@pytest.fixture(params=["practice", pytest.param("real", marks=[pytest.mark.real("mlflow")])])
async def lab(request: pytest.FixtureRequest) -> AsyncIterator[Lab]:
    if request.param == "practice":
        async with practice() as made:
            yield made
        return
    made = Lab(request.getfixturevalue("mlflow").url)
    try:
        yield made
    finally:
        await made.close()


@pytest.fixture
async def bench(lab: Lab) -> Bench:
    return Bench(lab, await lab.source(), await filled(lab))


@pytest.fixture
async def quick() -> AsyncIterator[Bench]:
    """On the practice server alone, where what is tried is our own order of calls."""
    async with practice() as made:
        yield Bench(made, await made.source(), await filled(made))


async def fresh(bench: Bench, number: int, alias: str = "champion") -> Bench:
    """The same server with a model of its own."""
    return Bench(bench.lab, bench.source, await filled(bench.lab, versions=2, name=f"m{number}"), alias)


async def stopped(bench: Bench, work: Awaitable[str], number: int, effect: bool) -> bool:
    """Break the write of that number; whether there was one."""
    writes = Writes(bench.source, broken=number, effect=effect)
    try:
        await work
    except Broken:
        return True
    finally:
        writes.heal()
    return False


async def test_each_step_twice_is_one_move_told_in_tags_and_one_way_back(bench: Bench) -> None:
    change = await bench.change("2")
    writes = Writes(bench.source)
    assert "set from v1 to v2, read back" in await bench.move(change)
    assert await bench.where() == "2"
    told = await bench.tags("2")
    assert (told["by"], told["from"], told["op"], told["revision"]) == ("ana", "v1", "op-1", "7")
    assert (told["service"], told["env"], told["digest"], told["previous"]) == ("scorer", "prod", "2", "1")
    assert (await bench.tags("1"))["left_at"] == told["at"]
    moved = writes.count
    assert "already" in await bench.move(change)
    assert writes.count == moved
    await bench.mark(change)
    assert writes.count == moved + 1
    await bench.mark(change)
    assert writes.count == moved + 1
    assert (await bench.tags("2"))["proven"] == "op-1"
    seen = await bench.target.look()
    assert seen.marks is not None
    assert (seen.marks.op, seen.marks.revision, seen.marks.previous, seen.since is not None) == ("op-1", 7, "1", True)

    assert "v1 again, read back" in await bench.back(change)
    assert await bench.where() == "1"
    back = writes.count
    assert "nothing to put back" in await bench.back(change)
    assert writes.count == back
    ended = await bench.tags("2")
    assert (ended["failed"], "claim" in ended, "left_at" in ended) == ("op-1", False, True)
    returned = await bench.tags("1")
    assert (returned["by"], returned["from"], "left_at" in returned) == ("ana", "v2", False)
    assert (await bench.target.look()).marks is None


async def test_an_alias_that_was_nowhere_goes_away_again(bench: Bench) -> None:
    new = Bench(bench.lab, bench.source, bench.model, "shadow")
    change = await new.change("2")
    assert (change.facts["before"], change.back) == ("", None)
    await new.move(change)
    assert await new.where() == "2"
    assert (await new.tags("2"))["from"] == "none"
    await new.back(change)
    assert await new.where() == ""
    ended = await new.tags("2")
    assert (ended["removed_by"], ended["failed"]) == ("ana", "op-1")
    assert "nothing to put back" in await new.back(change)


async def test_two_aliases_of_one_version_do_not_clash(bench: Bench) -> None:
    change = await bench.change("2")
    await bench.move(change)
    other = Bench(bench.lab, bench.source, bench.model, "champion-2")
    second = await other.change("2", op="op-2")
    await other.move(second)
    await other.back(second)
    assert (await bench.where(), await other.where()) == ("2", "")
    marks = (await bench.target.look()).marks
    assert marks is not None
    assert marks.op == "op-1"
    assert (await bench.tags("2"))["op"] == "op-1"


async def test_the_way_back_may_go_further_back_than_where_it_was(bench: Bench) -> None:
    change = await bench.change("2", back_candidate="3")
    await bench.move(change)
    assert "v3 again" in await bench.back(change)
    assert await bench.where() == "3"
    assert "nothing to put back" in await bench.back(change)


@pytest.mark.parametrize("effect", [False, True], ids=["never-arrived", "answer-lost"])
async def test_from_a_stop_at_every_write_of_the_move_it_is_put_back(quick: Bench, effect: bool) -> None:
    for number in range(1, 100):
        bench = await fresh(quick, number)
        change = await bench.change("2")
        if not await stopped(bench, bench.move(change), number, effect):
            assert number > 10
            return
        moved = await bench.where() == "2"
        await bench.back(change)
        assert await bench.where() == "1", number
        told = await bench.tags("2")
        assert ("failed" in told, "put_back" in await bench.tags("1")) == (moved, moved), number
        assert "claim" not in await bench.tags("2"), number
        again = Writes(bench.source)
        await bench.back(change)
        assert again.count == 0, number
        again.heal()
    raise AssertionError("the move has no end")


@pytest.mark.parametrize("effect", [False, True], ids=["never-arrived", "answer-lost"])
async def test_from_a_stop_at_every_write_of_the_move_it_goes_on(quick: Bench, effect: bool) -> None:
    for number in range(1, 100):
        bench = await fresh(quick, number)
        change = await bench.change("2")
        done = not await stopped(bench, bench.move(change), number, effect)
        await bench.move(change)
        assert await bench.where() == "2"
        told = await bench.tags("2")
        assert (told["op"], told["from"], told["by"], told["service"]) == ("op-1", "v1", "ana", "scorer"), number
        assert "left_at" in await bench.tags("1"), number
        assert (await bench.target.look()).marks is not None, number
        if done:
            assert number > 10
            return
    raise AssertionError("the move has no end")


@pytest.mark.parametrize("effect", [False, True], ids=["never-arrived", "answer-lost"])
@pytest.mark.parametrize("alias", ["champion", "shadow"])
async def test_from_a_stop_at_every_write_of_the_way_back_it_ends(quick: Bench, effect: bool, alias: str) -> None:
    for number in range(1, 100):
        bench = await fresh(quick, number, alias)
        before = await bench.where()
        change = await bench.change("2")
        await bench.move(change)
        done = not await stopped(bench, bench.back(change), number, effect)
        await bench.back(change)
        assert await bench.where() == before
        told = await bench.tags("2")
        assert (told["failed"], "claim" in told) == ("op-1", False), number
        assert "left_at" in told if before else "removed_at" in told
        if before:
            returned = await bench.tags("1")
            assert (returned["from"], "left_at" in returned) == ("v2", False), number
        if done:
            assert number > 4
            return
    raise AssertionError("the way back has no end")


async def test_a_claim_without_a_move_is_cleared_up(quick: Bench) -> None:
    change = await quick.change("2")
    writes = Writes(quick.source, broken=2)
    with pytest.raises(Broken):
        await quick.move(change)
    writes.heal()
    assert "claim" in await quick.tags("2")
    with permit("ml"):
        await quick.target.clear_up(change, quiet)
        assert "claim" not in await quick.tags("2")
        assert "nothing was prepared" in await quick.target.clear_up(change, quiet)
    assert await quick.where() == "1"


async def test_another_writer_at_the_same_moment_is_a_conflict_and_is_left_alone(bench: Bench) -> None:
    change = await bench.change("2")
    post = bench.source.api.post

    async def overtaken(path: str, body: dict[str, str]) -> object:
        answer = await post(path, body)
        if path == ALIAS:
            await bench.lab.alias(bench.model, "champion", "3")
        return answer

    bench.source.api.post = overtaken  # type: ignore[method-assign, assignment]
    with pytest.raises(Conflict, match="another writer put it v3 at the same moment"):
        await bench.move(change)
    bench.source.api.post = post  # type: ignore[method-assign]
    assert "op" not in await bench.tags("2")
    for _ in range(2):
        with pytest.raises(Conflict, match="is v3 now, moved, by whom is not known; it was left there"):
            await bench.back(change)
        assert await bench.where() == "3"


@pytest.mark.parametrize("to", ["2", "3"])
async def test_a_strangers_move_is_never_overwritten(bench: Bench, to: str) -> None:
    change = await bench.change("2")
    await bench.move(change)
    other = Bench(bench.lab, await bench.lab.source(now=lambda: 4_000_000_000.0), bench.model)
    verb = other.source.actions["version.set_alias"]
    with permit("ml"):
        if to == "2":
            await bench.lab.alias(bench.model, "champion", "3")
        await verb.execute(await verb.preview(ref(bench.model, to), {"alias": "champion"}))
    who = (await bench.tags(to))["by"]
    with pytest.raises(Conflict, match=f"is v{to} now, moved by {who}"):
        await bench.back(change)
    assert await bench.where() == to
    with pytest.raises(Conflict):
        await bench.move(change)


async def test_who_takes_the_alias_where_we_want_it_before_us_is_a_stranger_too(bench: Bench) -> None:
    change = await bench.change("2")
    await bench.lab.alias(bench.model, "champion", "2")
    writes = Writes(bench.source)
    for act in (bench.move, bench.back):
        with pytest.raises(Conflict, match="is v2 now"):
            await act(change)
    with pytest.raises(Conflict, match="moved since"):
        await bench.target.recheck(change)
    assert (writes.count, await bench.where()) == (0, "2")


async def test_a_removed_alias_is_left_removed(bench: Bench) -> None:
    change = await bench.change("2")
    await bench.move(change)
    await bench.lab.call("DELETE", ALIAS, {"name": bench.model, "alias": "champion"})
    with pytest.raises(Conflict, match="is on no version now"):
        await bench.back(change)
    assert await bench.where() == ""


async def test_a_deleted_way_back_is_said_and_nothing_moves(bench: Bench) -> None:
    change = await bench.change("2")
    await bench.move(change)
    await bench.lab.call("DELETE", "model-versions/delete", {"name": bench.model, "version": "1"})
    with pytest.raises(Conflict, match=r"v1 of .* was deleted"):
        await bench.back(change)
    assert await bench.where() == "2"


async def test_the_fence_stands_before_every_write(quick: Bench) -> None:
    change = await quick.change("2")
    writes, reads = Writes(quick.source), 0

    async def fence() -> None:
        nonlocal reads
        reads += 1
        assert reads == writes.count + 1

    quick.target.fence = fence
    await quick.move(change)
    await quick.mark(change)
    await quick.back(change)
    assert reads == writes.count > 15

    async def lost() -> None:
        raise LeaseLost("not ours")

    quick.target.fence = lost
    again = await quick.change("3")
    with pytest.raises(LeaseLost):
        await quick.move(again)
    assert reads == writes.count


async def test_a_move_that_came_back_by_other_hands_is_not_told_by_its_old_tags(quick: Bench) -> None:
    now = 1_000.0
    quick = Bench(quick.lab, await quick.lab.source(now=lambda: now), quick.model)
    change = await quick.change("2")
    await quick.move(change)
    now = 2_000.0
    further = await quick.change("3", op="op-2")
    await quick.move(further)
    assert move_told("champion", await quick.lab.tags(quick.model, "2")) is None
    await quick.lab.alias(quick.model, "champion", "2")
    seen = await quick.target.look()
    assert (seen.since, seen.marks) == (None, None)
    assert "by whom is not known" in seen.detail


async def test_candidates_are_where_it_is_then_where_it_was_with_what_is_proven(bench: Bench) -> None:
    now = 1_000.0
    lab, model = bench.lab, bench.model
    for _ in range(2):
        await lab.version(model)
    bench = Bench(lab, await lab.source(now=lambda: now), model)
    proven = await bench.change("2", op="op-1", revision=1)
    await bench.move(proven)
    await bench.mark(proven)
    now = 2_000.0
    failed = await bench.change("3", op="op-2", revision=2)
    await bench.move(failed)
    await bench.back(failed)
    now = 3_000.0
    await bench.move(await bench.change("4", op="op-3", revision=3))
    seen = [
        Move(source="ml", model=model, alias="champion", version="9", origin="5", at=500.0, seen_to=500.0),
        Move(source="ml", model=model, alias="champion", version="1", origin="9", seen_from=600.0, seen_to=700.0),
    ]

    async def past(*_names: str) -> list[Move]:
        return seen

    bench.source.past_moves = past
    found = await bench.source.target("alias", f"{model}@champion", {}).candidates("scorer", "prod")
    shown = [(each.id, each.proven, each.ready, each.revision) for each in found]
    assert shown == [
        ("4", False, True, 3), ("3", False, True, 2), ("2", True, True, 1), ("1", False, True, 0),
        ("9", False, False, 0), ("5", False, True, 0),
    ]  # fmt: skip
    assert found[4].why_not == "the version was deleted"
    assert choose_rollback("", {"ml": found}, "scorer").ids == {"ml": "2"}
    await lab.call("DELETE", ALIAS, {"name": model, "alias": "champion"})
    nowhere = await bench.target.candidates("scorer", "prod")
    assert (nowhere[0].ready, nowhere[0].identity.digest, nowhere[1].id) == (False, "", "4")
