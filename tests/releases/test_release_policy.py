"""What a release does when somebody asks, forbids or fails: every answer ends in a legal state."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from quarterdeck_lifecycle.release.model import Draft, GuardRule, HookRule
from quarterdeck_lifecycle.release.planning import make_plan
from quarterdeck_lifecycle.release.ports import Ask, Reading, Wanted
from releases.fakeclock import run
from releases.memoryworld import Process
from releases.releasecase import NAME, NEW, OLD, OP, WAYS, Case, Way, identity

SHAPES = [(way, places) for way in WAYS for places in (1, 2)]
shaped = pytest.mark.parametrize(("way", "places"), SHAPES, ids=[f"{way}-{places}" for way, places in SHAPES])
GUARD = GuardRule(source="prom", query="errors", max=0.01)


def notes(case: Case) -> str:
    return "\n".join(message for _, _, message in case.book.notes)


def ends_of_steps(case: Case) -> list[int]:
    case.run()
    trail = enumerate(case.process.trail)
    return [index for index, point in trail if point.kind == "after" and point.where.startswith("ledger outcome")]


# asks


@shaped
@pytest.mark.parametrize("ask", ["abort", "put back"])
def test_an_abort_at_any_step_ends_with_the_old_version_or_after_the_proof(way: Way, places: int, ask: Ask) -> None:
    for index in ends_of_steps(Case(way, "deploy", places)):
        case = Case(way, "deploy", places)
        ended = case.run({index: lambda process: case.control.asks.append((ask, "ben"))})  # noqa: B023
        where = case.process.trail[index].where
        what = f"{ask} at {index}: {where}"
        case.must_have_settled(ended, what)
        case.must_stay(what)
        assert ended is not None
        assert ended.result in ("ABORTED", "ROLLED_BACK", "SUCCEEDED"), f"{what}: {ended}"
        if ended.result == "SUCCEEDED":
            assert any(word in where for word in ("verify", "soak", "prune", "release"))
        else:
            assert f"{ask} asked by ben" in ended.message


@shaped
def test_keep_ends_the_soak_and_extend_makes_it_longer(way: Way, places: int) -> None:
    plain, kept, longer = (Case(way, "deploy", places) for _ in range(3))
    plain.run()
    soak = next(i for i, point in enumerate(plain.process.trail) if "intent" in point.where and "soak" in point.where)
    assert kept.run({soak: lambda process: kept.control.asks.append(("keep", "ana"))}).result == "SUCCEEDED"  # type: ignore[union-attr]
    assert longer.run({soak: lambda process: longer.control.asks.append(("extend", "ana"))}).result == "SUCCEEDED"  # type: ignore[union-attr]
    assert kept.world.now < plain.world.now < longer.world.now
    for case in (kept, longer):
        case.must_have_settled(case.recover(), "kept or extended")


# forbidden


@shaped
def test_a_frozen_service_is_refused_and_not_touched(way: Way, places: int) -> None:
    case = Case(way, "deploy", places)
    case.control.freeze = "audit until Monday (ana)"
    before = case.world.snapshot()
    ended = case.run()
    assert ended is not None
    assert ended.result == "REFUSED"
    assert "audit until Monday" in ended.message
    assert case.world.snapshot() == before
    case.must_stay("frozen")


@pytest.mark.parametrize("way", WAYS)
def test_an_approval_is_waited_for_and_before_it_nothing_is_sent(way: Way) -> None:
    case = Case(way, options={"approval": True})
    case.control.approver = ""
    waiting = case.run()
    assert waiting is not None
    assert waiting.result == "REFUSED"
    assert case.world.writes == []
    assert case.world.now >= 1800.0
    case = Case(way, options={"approval": True})
    case.run({1: lambda process: setattr(case.control, "approver", "ben")})
    assert case.book.steps()[0].endswith("approval")
    assert case.book.rows[1].result == "DONE: approved by ben"
    assert case.serving() == {identity(way, NEW).digest}


def test_a_moved_target_is_refused_at_the_preflight() -> None:
    for way in ("alias", "rolling"):
        case = Case(way)  # type: ignore[arg-type]
        for registry in case.world.registries.values():
            registry.versions.add("9")
            registry.aliases["app"] = "9"
        for swarm in case.world.swarms.values():
            swarm.version += 1
        ended = case.run()
        assert ended is not None
        assert ended.result == "REFUSED"
        assert all("lease" in write for write in case.world.writes)


# failures


@shaped
def test_a_broken_version_is_put_back_with_the_reason(way: Way, places: int) -> None:
    case = Case(way, "deploy", places)
    case.world.broken[identity(way, NEW).digest] = 0.0
    ended = case.run()
    case.must_have_settled(ended, "broken from its start")
    assert ended is not None
    assert ended.result == "ROLLED_BACK"
    assert "| last words" in notes(case) or way in ("rolling", "alias")
    case.must_stay("broken")


@pytest.mark.parametrize("way", ["stop-start", "start-first", "overlap"])
def test_a_version_that_breaks_in_the_soak_is_put_back(way: Way) -> None:
    case = Case(way)
    case.world.broken[NEW] = 2.5
    ended = case.run()
    case.must_have_settled(ended, "breaks in the soak")
    assert ended is not None
    assert ended.result == "ROLLED_BACK"
    assert "consecutive probes failed" in ended.message


def test_a_healthy_container_that_the_proxy_does_not_reach_is_not_proven() -> None:
    case = Case("start-first")
    wrong = next(index for index, point in enumerate(trail(case)) if point == "after route new")
    case = Case("start-first")
    case.run({wrong: lambda process: setattr(case.world, "misrouted", True)})
    assert case.serving() == {OLD}
    assert any(row.step.endswith("gate host-1/app") and row.result.startswith("FAILED") for row in case.book.rows)


def trail(case: Case) -> list[str]:
    case.run()
    return [f"{point.kind} {point.where}" for point in case.process.trail]


@pytest.mark.parametrize("places", [1, 2])
@pytest.mark.parametrize("way", ["stop-start", "start-first", "overlap", "alias"])
def test_a_rollback_that_fails_its_proof_is_not_rolled_back_again(way: Way, places: int) -> None:
    case = Case(way, "rollback", places)
    case.world.broken[identity(way, NEW).digest] = 0.0
    ended = case.run()
    assert ended is not None
    assert ended.result == "STUCK"
    new, old = identity(way, NEW).short, identity(way, OLD).short
    assert f"new {new}, before {old}" in ended.message
    assert "quarterdeck rollback app --env prod" in ended.message
    assert not [step for step in case.book.steps() if "put-back" in step]
    assert not case.world.leases


@pytest.mark.parametrize("way", ["stop-start", "start-first", "overlap"])
def test_hold_leaves_the_failed_one_and_says_what_to_run(way: Way) -> None:
    case = Case(way, options={"on_failure": "hold"})
    case.world.broken[NEW] = 2.5
    ended = case.run()
    assert ended is not None
    assert ended.result == "STUCK"
    assert "on_failure is hold" in ended.message
    assert "quarterdeck recover" in ended.message
    assert not case.world.leases
    assert not case.serving() & {"-", OLD} or case.world.unserved


@pytest.mark.parametrize("failing", [1, 2, 3])
@pytest.mark.parametrize("way", ["stop-start", "start-first", "overlap"])
def test_a_failure_on_one_host_stops_the_rest_and_puts_back_those_before(way: Way, failing: int) -> None:
    case = Case(way, "deploy", 3, options={"canary": "host-2"})
    order = ["host-2", "host-1", "host-3"]
    assert [change.place.source for change in case.plan.changes] == order
    sick = order[failing - 1]
    case.script = lambda address: "fail" if address.startswith(sick) else None
    ended = case.run()
    case.must_have_settled(ended, f"{sick} fails")
    assert ended is not None
    assert ended.result == "ROLLED_BACK"
    assert sick in ended.message
    switched = [step for step in case.book.steps() if " start " in step]
    assert [step.split()[-1].split("/")[0] for step in switched] == order[:failing]
    back = [step.split()[-1].split("/")[0] for step in case.book.steps() if "put-back" in step]
    assert back == order[:failing][::-1]


# guards


def test_a_breached_guard_puts_back_once() -> None:
    case = Case("start-first", options={"guards": (GUARD,)})
    case.readings = lambda now: Reading(value=0.5 if now > 3.0 else 0.0, samples=100)
    ended = case.run()
    case.must_have_settled(ended, "guard")
    assert ended is not None
    assert ended.result == "ROLLED_BACK"
    assert "errors is 0.5, more than 0.01" in ended.message
    assert len([step for step in case.book.steps() if "put-back" in step]) == 1


def test_no_data_never_keeps_a_deploy() -> None:
    for no_data in ("hold", "fail"):
        guard = GuardRule(source="prom", query="errors", max=0.01, no_data=no_data)  # type: ignore[arg-type]
        case = Case("start-first", options={"guards": (guard,)})
        case.readings = lambda now: Reading(value=None, said="no such series")
        ended = case.run()
        case.must_have_settled(ended, no_data)
        assert ended is not None
        assert ended.result == "ROLLED_BACK"
        assert "no data for errors" in ended.message


def test_a_guard_that_failed_before_must_clear_in_the_soak() -> None:
    for clears, result in ((4.0, "SUCCEEDED"), (1e9, "ROLLED_BACK")):
        case = Case("start-first", options={"guards": (GUARD,)})
        case.readings = lambda now: Reading(value=0.0 if now > clears else 0.5, samples=100)  # noqa: B023
        ended = case.run()
        case.must_have_settled(ended, f"clears at {clears}")
        assert ended is not None
        assert ended.result == result


# the ledger, hooks, news


@shaped
@pytest.mark.parametrize("kind", ["deploy", "rollback"])
def test_a_full_ledger_stops_a_deploy_and_never_what_brings_back(way: Way, places: int, kind: str) -> None:
    case = Case(way, kind, places)  # type: ignore[arg-type]
    case.run()
    for rows in range(len(case.book.rows)):
        case = Case(way, kind, places)  # type: ignore[arg-type]
        case.book.full_at = rows
        ended = case.run()
        what = f"{kind}: full from row {rows}"
        case.must_have_settled(ended, what)
        assert ended is not None
        if kind == "rollback":
            assert ended.result == "SUCCEEDED", f"{what}: {ended}"
        elif ended.result != "SUCCEEDED":
            assert "no space is left" in ended.message, f"{what}: {ended}"
        before = case.world.snapshot()
        case.book.full_at = 10**9
        case.must_have_settled(case.recover() if not case.settled else ended, f"{what}, then recovered")
        assert case.serving() == {identity(way, NEW if ended.result == "SUCCEEDED" else OLD).digest}, what
        assert ended.result == "SUCCEEDED" or case.world.snapshot() == before, what


def test_hooks_are_bounded_and_the_lease_is_held_until_the_last_has_ended() -> None:
    options = {"pre": HookRule(argv=("migrate",), timeout_s=5.0), "post": HookRule(argv=("tell",), timeout_s=5.0)}
    case = Case("start-first", options=options)
    case.takes["tell"] = 4.0
    ended = case.run()
    case.must_have_settled(ended, "hooks")
    ends = {row.step.split()[1]: number for number, row in enumerate(case.book.rows) if row.phase == "outcome"}
    assert ends["hook-pre"] < ends["pull"]
    assert ends["hook-post"] < ends["release"]
    for takes, exits in ((60.0, 0), (0.0, 3)):
        case = Case("start-first", options=options)
        case.takes["migrate"], case.exits["migrate"] = takes, exits
        before = case.world.snapshot()
        ended = case.run()
        assert ended is not None
        assert ended.result == "FAILED"
        assert case.world.snapshot() == before
        assert case.world.now < 15.0


def test_a_failing_post_hook_does_not_undo_what_is_proven() -> None:
    case = Case("start-first", options={"post": HookRule(argv=("tell",), timeout_s=5.0)})
    case.exits["tell"] = 1
    ended = case.run()
    case.must_have_settled(ended, "post hook fails")
    assert ended is not None
    assert ended.result == "SUCCEEDED"
    assert "hook tell" in ended.message


@pytest.mark.parametrize("sick", [False, True])
def test_the_end_is_told_with_the_ledgers_head(sick: bool) -> None:
    case = Case("stop-start", options={"announce": ("ops",)})
    if sick:
        case.world.broken[NEW] = 0.0
    ended = case.run()
    assert ended is not None
    assert [told["result"] for told in case.announcer.told] == [ended.result]
    assert case.announcer.told[0]["ledger_head"].startswith("row ")


# a host that goes down


@pytest.mark.parametrize("way", ["stop-start", "start-first", "overlap"])
def test_a_host_that_reboots_at_any_point_is_healed_by_the_recovery(way: Way) -> None:
    """The runner dies with its host; what has a restart policy comes up again by itself."""

    def down(process: Process) -> None:
        for host in process.world.hosts.values():
            host.boot(process.world.now)
        process.kill()

    case = Case(way)
    case.run()
    points = [index for index, point in enumerate(case.process.trail) if point.kind != "read"]
    for index in points:
        case = Case(way)
        case.run({index: down})
        what = f"rebooted at {index}: {case.process.trail[index]}"
        case.must_have_settled(case.recover(), what)
        case.must_stay(what)


@pytest.mark.parametrize("sick", [False, True])
def test_the_first_promotion_to_an_alias_is_kept_or_the_alias_is_taken_away_again(sick: bool) -> None:
    case = Case("alias")
    aliases = case.world.registries["host-1"].aliases
    aliases[NAME] = ""
    case.plan = case.make_plan(OP, Process(case.world, "planner"))
    assert case.plan.back is None
    assert any("a failure removes it again" in told for told in case.plan.warnings)
    if sick:
        case.world.broken["8"] = 0.0
    ended = case.run()
    assert ended is not None
    assert (ended.result, aliases[NAME]) == (("ROLLED_BACK", "") if sick else ("SUCCEEDED", "8")), ended
    case.must_stay("recovered again")


def test_what_takes_longer_to_switch_has_as_long_to_go_back() -> None:
    case = Case("rolling")
    target = next(iter(case.targets(Process(case.world, "planner")).values()))
    drafted = target.plan

    async def plan(wanted: Wanted) -> Draft:
        draft = await drafted(wanted)
        steps = tuple(replace(step, deadline_s=900.0) if step.phase == "switch" else step for step in draft.steps)
        return replace(draft, steps=steps)

    target.plan = plan  # type: ignore[method-assign]
    made = run(case.world.timeline, make_plan(case.request(OP), [target]))
    assert [step.deadline_s for step in made.back_steps if step.name == "put-back"] == [900.0]
    assert [step.deadline_s for step in case.plan.back_steps if step.name == "put-back"] == [300.0]
