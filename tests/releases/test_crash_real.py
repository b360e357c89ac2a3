"""24 cases of the crash matrix on real engines, drawn by a seed that stays; `make crash` runs all of them."""

from __future__ import annotations

import random
from collections.abc import Iterator

import pytest

from crash.__main__ import all_cases
from crash.arena import Arena
from crash.arenas import ARENAS
from crash.carry import carry_out
from crash.cases import FAULTS, Case
from crash.containers import StartFirst, StopStart
from parts.needs import PROGRAMS

SEED = 3
EACH = 12


def drawn(arena: type[Arena]) -> list[Case]:
    """As many of every fault as go into the number."""
    chance, found = random.Random(f"{SEED} {arena.name}"), []
    cases = all_cases(arena)
    for number in range(EACH):
        fault = FAULTS[number % len(FAULTS)]
        rest = [case for case in cases if case.fault == fault and case not in found]
        found.append(chance.choice(rest))
    return sorted(found, key=lambda case: case.id)


@pytest.fixture(scope="module")
def start_first() -> Iterator[Arena]:
    with StartFirst() as arena:
        yield arena


def told(arena: Arena, case: Case) -> None:
    outcome = carry_out(arena, case)
    print(f"{case.id}: {outcome.result}, {outcome.failed} of {outcome.sent} requests failed, gap {outcome.gap_s:.2f} s")
    assert outcome.wrong == []


@pytest.mark.real(*StopStart.needs)
@pytest.mark.xdist_group("crash-stop-start")
@pytest.mark.parametrize("case", drawn(StopStart), ids=lambda case: case.id)
def test_stop_then_start_survives(stop_start: Arena, case: Case) -> None:
    told(stop_start, case)


@pytest.mark.real(*StartFirst.needs)
@pytest.mark.xdist_group("crash-start-first")
@pytest.mark.parametrize("case", drawn(StartFirst), ids=lambda case: case.id)
def test_behind_a_proxy_survives_and_no_request_fails(start_first: Arena, case: Case) -> None:
    told(start_first, case)


def test_every_fault_at_every_step_is_a_case() -> None:
    """Both at a step's end and inside it, in both directions; and drawn are 24 with every fault for each target."""
    for arena in ARENAS.values():
        cases = all_cases(arena)
        assert len(cases) == len({case.id for case in cases}) == 2 * len(FAULTS) * sum(map(len, arena.steps.values()))
        assert set(arena.needs) <= {*PROGRAMS, "mlflow"}
    both = [drawn(arena) for arena in (StopStart, StartFirst)]
    assert sum(map(len, both)) == 24
    assert all({case.fault for case in cases} == set(FAULTS) for cases in both)
