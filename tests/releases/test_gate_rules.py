"""The gate and the soak: scripted sequences of samples, each with its exact verdict and moment."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quarterdeck_lifecycle.release.gate import Gate, Soak, span
from quarterdeck_lifecycle.release.model import GateRule, GuardRule
from quarterdeck_lifecycle.release.ports import Reading, Sample, Verdict

WORDS: dict[str, tuple[Verdict, str]] = {
    "p": ("pass", "200 after 4 ms"),
    "5": ("fail", "503 after 12 ms"),
    "h": ("fail", "no answer within 2 s"),
    "r": ("fail", "302 to other.example, redirects are not followed"),
    "b": ("fail", "200, the body does not match /ready/"),
    "u": ("unknown", "too many open files here"),
}
START = 1000.0


def sample(letter: str) -> Sample:
    verdict, said = WORDS[letter]
    return Sample(verdict=verdict, said=said)


def gate_run(rule: GateRule, script: str) -> tuple[str, float, Gate]:
    """Feed one letter a second (`.` is a second without a sample); the first verdict that is not wait, and when."""
    gate = Gate(rule, START)
    for second, letter in enumerate(script):
        at = START + second
        if letter != ".":
            gate.feed(sample(letter), at)
        if (verdict := gate.verdict(at)) != "wait":
            return verdict, at - START, gate
    return "wait", len(script) - 1, gate


GATES = [
    # name, passes, within, one sample a second, verdict, at, in the words
    ("steady", 3, 10, "ppp", "pass", 2, "3 of 3 passes, 0:02 of 0:10; last: 200 after 4 ms"),
    ("two are not three", 3, 10, "pp", "wait", 1, "2 of 3 passes, 0:01 of 0:10"),
    ("slow start", 3, 10, "hhh55ppp", "pass", 7, "3 of 3 passes"),
    ("too slow a start", 3, 10, "hhhhh5555pp", "fail", 10, "2 of 3 consecutive passes within 0:10"),
    ("the last moment counts", 3, 10, "hhhhh555ppp", "pass", 10, "3 of 3 passes, 0:10 of 0:10"),
    ("flap", 3, 10, "pp5pp5pp5pp", "fail", 10, "2 of 3 consecutive passes"),
    ("200 then 500 for good", 3, 5, "p55555", "fail", 5, "0 of 3 consecutive passes within 0:05; last: 503"),
    ("200, 500, then well", 3, 10, "p5ppp", "pass", 4, "3 of 3 passes"),
    ("hang", 1, 6, "hhhhhhh", "fail", 6, "last: no answer within 2 s"),
    ("redirect", 1, 3, "rrrr", "fail", 3, "last: 302 to other.example"),
    ("wrong body", 1, 3, "bbbb", "fail", 3, "last: 200, the body does not match /ready/"),
    ("one wrong body in a run", 3, 10, "ppbppp", "pass", 5, "3 of 3 passes"),
    ("unknown breaks no run", 3, 10, "puupup", "pass", 5, "3 of 3 passes"),
    ("unknown is no pass", 3, 4, "ppuuuuu", "fail", 4, "2 of 3 consecutive passes"),
    ("nothing but unknown", 1, 3, "uuuu", "fail", 3, "no data within 0:03, which is no pass; last: too many"),
    ("no sample at all", 1, 3, "....", "fail", 3, "no data within 0:03, which is no pass; last: no probe has answered"),
    ("one is enough", 1, 10, "p", "pass", 0, "1 of 1 passes"),
    ("no time at all", 1, 0, ".", "fail", 0, "no data within 0:00"),
    ("a rule of no passes still wants one", 0, 3, "....", "fail", 3, "no data"),
]


@pytest.mark.parametrize(
    ("name", "passes", "within", "script", "verdict", "at", "words"), GATES, ids=[g[0] for g in GATES]
)
def test_gate(name: str, passes: int, within: float, script: str, verdict: str, at: float, words: str) -> None:
    said, moment, gate = gate_run(GateRule(passes=passes, within_s=within), script)
    assert (said, moment) == (verdict, at)
    assert words in gate.said


def test_gate_is_decided_once() -> None:
    gate = Gate(GateRule(passes=1, within_s=10), START)
    gate.feed(sample("p"), START + 1)
    gate.feed(sample("5"), START + 2)
    assert gate.verdict(START + 99) == "pass"
    late = Gate(GateRule(passes=1, within_s=10), START)
    assert late.verdict(START + 10) == "fail"
    late.feed(sample("p"), START + 10)
    assert late.verdict(START + 10) == "fail"
    slept = Gate(GateRule(passes=1, within_s=10), START)
    slept.feed(sample("p"), START + 10.5)
    assert slept.verdict(START + 10.5) == "fail"


def test_gate_takes_no_time_back() -> None:
    gate = Gate(GateRule(passes=2, within_s=10), START)
    gate.feed(sample("5"), START + 11)
    gate.feed(sample("p"), START + 1)
    gate.feed(sample("p"), START + 2)
    assert gate.verdict(START + 2) == "fail"


RATE = GuardRule(source="prom", query="errors", name="error rate", max=0.05, min_samples=10)
FAILS = GuardRule(source="prom", query="errors", name="error rate", max=0.05, no_data="fail", min_samples=10)
SCORE = GuardRule(source="prom", query="score_mean", min=0.2, max=0.8)
NAN, INF = math.nan, math.inf


def reading(value: float | None, samples: int = 50) -> Reading:
    return Reading(value=value, samples=samples, said="" if value is not None else "the query answered nothing")


@dataclass
class Case:
    """One probe a second (letters), readings by second for the guard 0, and the verdict that comes first."""

    name: str
    probes: str
    verdict: str
    at: float
    words: str
    guards: Sequence[GuardRule] = ()
    readings: dict[int, Reading] = field(default_factory=dict)
    before: Sequence[int] = ()
    soak: float = 5
    within: float = 3
    failures: int = 3
    extend: dict[int, float] = field(default_factory=dict)
    held_from: float | None = None
    probed: bool = True


def soak_run(case: Case) -> tuple[str, float, float | None, Soak]:
    rule = GateRule(passes=3, within_s=case.within, soak_s=case.soak, failures=case.failures)
    soak = Soak(rule, START, case.guards, case.before, probed=case.probed)
    held, verdict, second = None, "wait", 0
    for second, letter in enumerate(case.probes):
        at = START + second
        if second in case.extend:
            soak.extend(case.extend[second], at)
        if letter != ".":
            soak.feed(sample(letter), at)
        if second in case.readings:
            soak.guard(0, case.readings[second], at)
        verdict = soak.verdict(at)
        if verdict == "hold" and held is None:
            held = at - START
        if verdict in ("keep", "back"):
            return verdict, at - START, held, soak
    return verdict, second, held, soak


def every(value: float | None, samples: int = 50, first: int = 0, last: int = 30) -> dict[int, Reading]:
    return {second: reading(value, samples) for second in range(first, last)}


SOAKS = [
    Case("calm", "pppppp", "keep", 5, "soaked 0:05; 0 of 3 failures; last: 200 after 4 ms"),
    Case("not over yet", "ppp", "wait", 2, "soak 0:02 of 0:05; 0 of 3 failures"),
    Case("three failures", "pp555", "back", 4, "3 consecutive probes failed; last: 503 after 12 ms"),
    Case("200 then 500", "p55p55p", "keep", 6, "soaked", held_from=5),
    Case("flap", "p5p5p5p", "keep", 6, "soaked", held_from=5),
    Case("hang", "hhh", "back", 2, "last: no answer within 2 s"),
    Case("redirect", "prrr", "back", 3, "last: 302"),
    Case("wrong body", "pbbb", "back", 3, "does not match"),
    Case("unknown counts for nothing", "p5u5u5", "back", 5, "3 consecutive probes failed"),
    Case("one failure allowed only", "p5", "back", 1, "1 consecutive probes failed", failures=1),
    Case("a failing end is held", "pppp55p", "keep", 6, "soaked", held_from=5),
    Case("a failing end fails", "pppp555", "back", 6, "3 consecutive probes", held_from=5),
    Case("an unknown end", "pppppup", "keep", 6, "soaked 0:06", held_from=5),
    Case(
        "no probe data", "u" * 20, "back", 10,
        "held until 0:10; the last probe is no pass: too many open files here", held_from=5,
    ),
    Case("no probe data, a longer gate", "." * 20, "back", 14, "no probe has answered", held_from=5, within=9),
    Case("no soak", ".", "keep", 0, "the gate's passes", soak=0),
    Case("no probe configured", "......", "keep", 5, "soaked 0:05; no probe", probed=False),
    Case("guard well", "pppppp", "keep", 5, "error rate 0.01 (max 0.05)", [RATE], every(0.01)),
    Case("guard at its limit", "pppppp", "keep", 5, "error rate 0.05", [RATE], every(0.05)),
    Case(
        "guard breach", "pppppp", "back", 2, "guard error rate is 0.2, more than 0.05",
        [RATE], {0: reading(0.01), 2: reading(0.2)},
    ),
    Case("below a minimum", "pppppp", "back", 1, "guard score_mean is 0.1, less than 0.2", [SCORE], {1: reading(0.1)}),
    Case("within both", "pppppp", "keep", 5, "score_mean 0.5 (min 0.2, max 0.8)", [SCORE], every(0.5)),
    Case(
        "too few samples", "p" * 20, "back", 10, "no data for error rate: 9 of 10 samples",
        [RATE], every(0.9, 9), held_from=5,
    ),
    Case("samples come late", "p" * 20, "keep", 7, "soaked", [RATE], {**every(0.9, 9), 7: reading(0.01)}, held_from=5),
    Case("data come late and bad", "p" * 20, "back", 7, "0.9", [RATE], {7: reading(0.9)}, held_from=5),
    Case(
        "no data holds", "p" * 20, "back", 10, "no data for error rate: the query answered nothing",
        [RATE], every(None), held_from=5,
    ),
    Case("never read holds", "p" * 20, "back", 10, "it was not read yet", [RATE], held_from=5),
    Case("no data fails at the end", "p" * 20, "back", 5, "and no data is a failure", [FAILS], every(None)),
    Case("data stop, fails", "p" * 20, "back", 5, "no data is a fail", [FAILS], {1: reading(0.01), 3: reading(None)}),
    Case("data pause, fails not", "p" * 20, "keep", 5, "soaked", [FAILS], {**every(0.01), 3: reading(None)}),
    Case("data stop, held", "p" * 20, "back", 10, "held", [RATE], {1: reading(0.01), 3: reading(None)}, held_from=5),
    Case("NaN is no data", "p" * 20, "back", 5, "no data for error rate", [FAILS], every(NAN)),
    Case("inf is no data", "p" * 20, "back", 5, "no data for error rate", [FAILS], every(INF)),
    Case("inf breaches nothing", "p" * 20, "keep", 5, "soaked", [RATE], {2: reading(INF), 4: reading(0.01)}),
    Case(
        "failed before, clears", "pppppp", "keep", 5, "error rate 0.01",
        [RATE], {**every(0.9, last=4), 4: reading(0.01)}, before=[0],
    ),
    Case(
        "failed before, never clears", "pppppp", "back", 5,
        "guard error rate is 0.9, more than 0.05, as before the release, and it did not clear in the soak",
        [RATE], every(0.9), before=[0],
    ),
    Case(
        "failed before, clears, fails again", "pppppp", "back", 3, "guard error rate is 0.9, more than 0.05",
        [RATE], {0: reading(0.9), 2: reading(0.01), 3: reading(0.9)}, before=[0],
    ),
    Case("failed before, no data, clears late", "p" * 20, "keep", 8, "soaked",
         [RATE], {**every(None), 8: reading(0.01)}, before=[0], held_from=5),
    Case("failed before, no data, fails late", "p" * 20, "back", 8, "did not clear",
         [RATE], {**every(None), 8: reading(0.9)}, before=[0], held_from=5),
    Case("extended", "p" * 20, "keep", 12, "soaked 0:12", extend={3: 7}),
    Case("extended, then worse", "ppppppp555", "back", 9, "3 consecutive", extend={3: 7}),
    Case("extended while held", "p" * 30, "keep", 17, "soaked 0:17",
         [RATE], {9: reading(0.01)}, extend={7: 10}, held_from=5),
    Case("extended while held, still none", "p" * 40, "back", 22, "held until 0:22",
         [RATE], extend={7: 10}, held_from=5),
]  # fmt: skip


@pytest.mark.parametrize("case", SOAKS, ids=[case.name for case in SOAKS])
def test_soak(case: Case) -> None:
    verdict, at, held, soak = soak_run(case)
    assert (verdict, at, held) == (case.verdict, case.at, case.held_from)
    assert case.words in soak.said


def test_words_while_held() -> None:
    soak = Soak(GateRule(soak_s=60, within_s=120), START, [RATE], ())
    soak.feed(sample("p"), START + 59)
    assert soak.verdict(START + 72) == "hold"
    assert soak.said == "held 0:12 of 2:00 after the soak; no data for error rate: it was not read yet"


def test_soak_is_decided_once() -> None:
    soak = Soak(GateRule(soak_s=5, failures=1), START, [RATE], ())
    soak.feed(sample("5"), START + 1)
    why = soak.said
    soak.feed(sample("p"), START + 2)
    soak.guard(0, reading(0.01), START + 2)
    soak.extend(100)
    assert (soak.verdict(START + 300), soak.said) == ("back", why)


def test_a_guard_that_does_not_exist_is_not_read() -> None:
    with pytest.raises(IndexError):
        Soak(GateRule(), START, [RATE], ()).guard(1, reading(0), START)


@pytest.mark.parametrize(
    ("seconds", "words"), [(0, "0:00"), (-3, "0:00"), (48.9, "0:48"), (120, "2:00"), (3723, "1:02:03")]
)
def test_span(seconds: float, words: str) -> None:
    assert span(seconds) == words


LETTERS = st.sampled_from("ppp5hrbu")
STEPS = st.lists(st.tuples(LETTERS, st.floats(-1, 4)), max_size=30)


@given(STEPS, st.integers(1, 5), st.floats(0, 40))
def test_a_gate_passes_only_on_a_run_in_time(steps: list[tuple[str, float]], passes: int, within: float) -> None:
    gate = Gate(GateRule(passes=passes, within_s=within), START)
    at = latest = START
    run = best = 0
    decided = ""
    for letter, forward in steps:
        at += forward
        latest = max(latest, at)
        gate.feed(sample(letter), at)
        if latest <= START + within and not decided:
            run = run + 1 if letter == "p" else run if letter == "u" else 0
            best = max(best, run)
        verdict = gate.verdict(at)
        assert verdict == decided or not decided
        expected = "pass" if best >= passes else "fail" if latest >= START + within else "wait"
        assert verdict == (decided or expected)
        decided = verdict if verdict != "wait" else ""


VALUES = st.one_of(st.none(), st.sampled_from([NAN, INF, -INF]), st.floats(0, 0.1))
SOAKED = st.lists(st.tuples(LETTERS, VALUES, st.integers(0, 20), st.floats(0, 3)), max_size=30)


@given(SOAKED, st.booleans(), st.sampled_from([RATE, FAILS]), st.floats(1, 20), st.floats(0, 20))
def test_a_soak_keeps_only_what_it_saw_well(
    steps: list[tuple[str, float | None, int, float]], before: bool, rule: GuardRule, soaks: float, within: float
) -> None:
    soak = Soak(GateRule(soak_s=soaks, within_s=within, failures=3), START, [rule], [0] if before else [])
    at, run, decided = START, 0, ""
    for letter, value, samples, forward in steps:
        at += forward
        soak.feed(sample(letter), at)
        soak.guard(0, reading(value, samples), at)
        verdict = soak.verdict(at)
        assert verdict == decided or not decided
        if decided:
            continue
        run = 0 if letter == "p" else run if letter == "u" else run + 1
        known = value is not None and math.isfinite(value) and samples >= 10
        if run >= 3:
            assert verdict == "back"
        if known and value is not None and value > 0.05 and (not before or at >= START + soaks):
            assert verdict == "back"
        if verdict == "keep":
            assert at >= START + soaks
            assert letter == "p"
            assert known
            assert value is not None
            assert value <= 0.05
        if verdict == "wait":
            assert at < START + soaks
        assert verdict == "back" or at < START + soaks + max(soaks, within) or verdict == "keep"
        decided = verdict if verdict in ("keep", "back") else ""
