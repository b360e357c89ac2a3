"""How a thread is told: why a hop is empty and what to do, what is folded, and what happened when."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from parts.tracing import (
    alert,
    box,
    commit,
    endpoint,
    image,
    names,
    pull,
    run,
    series,
    service,
    sha,
    tag,
    thread,
    training,
    version,
    world,
)
from quarterdeck_lifecycle.changelog import ChangeRow
from quarterdeck_lifecycle.records import Record, Ref, Status
from quarterdeck_lifecycle.trace.facts import bare
from quarterdeck_lifecycle.trace.folding import Folded, fold
from quarterdeck_lifecycle.trace.gaps import KINDS, Asked, Gap, gaps
from quarterdeck_lifecycle.trace.graph import Graph
from quarterdeck_lifecycle.trace.hops import Hop
from quarterdeck_lifecycle.trace.thread import walk
from quarterdeck_lifecycle.trace.timeline import columns, events, key_series, levels, window

ALL = Asked(kinds=frozenset(kind for kinds in KINDS.values() for kind in kinds))


def told(records: list[Record], begin: Ref, asked: Asked = ALL) -> dict[Hop, Gap]:
    graph = Graph(records)
    return {gap.hop: gap for gap in gaps(walk(graph, begin), graph, asked)}


def test_a_whole_thread_has_no_gap() -> None:
    records = world()
    assert told(records, records[6].ref) == {}


@pytest.mark.parametrize(
    ("records", "hop", "why", "mend"),
    [
        ([image("api:1", "id"), box("a", "id")], Hop.COMMIT, "no label org.opencontainers.image.revision", "--label"),
        ([box("a", "id"), image("api:1", "id")], Hop.RUN, "without a commit", ""),
        ([box("a", "id")], Hop.COMMIT, "its image is not known", ""),
        ([run(1, "c")], Hop.IMAGE, f"was built from {sha('c')[:10]}", "needs the label"),
        ([run(1, "c"), pull(7, "other")], Hop.CHANGE, "as its head", "squash"),
        ([tag("team/api:v1", "i", "c")], Hop.RUN, f"no listed run has {sha('c')[:10]}", "older"),
        ([tag("team/api:v1", "i", "c")], Hop.WORKLOAD, "nothing here runs", ""),
        ([version("3")], Hop.WORKLOAD, "serves this version", "quarterdeck.model_uri"),
        ([endpoint("api", "prod")], Hop.VERSION, "nothing declares it", "served: {http, field}"),
        ([version("3")], Hop.TRAINING, "has no run_id", "register"),
        ([endpoint("api", "prod", "3")], Hop.TRAINING, "no model registry here lists fraud/3", ""),
        ([training("t")], Hop.TRAINING_COMMIT, "no tag mlflow.source.git.commit", "git checkout"),
        ([version("3", "gone")], Hop.TRAINING_COMMIT, "is not listed", "deleted"),
        ([box("a", "id", service="api")], Hop.SIGNAL, "service=api", "labels service and env"),
    ],
)
def test_a_gap_says_why_and_what_to_do(records: list[Record], hop: Hop, why: str, mend: str) -> None:
    found = told(records, records[0].ref)[hop]
    assert why in found.why
    assert mend in found.mend
    assert not found.down


def test_a_source_that_is_down_or_missing_is_the_reason_before_any_label() -> None:
    ran = box("a", "id", service="api")
    down = told([ran], ran.ref, Asked(kinds=ALL.kinds, down={"series": "prom: timeout"}))[Hop.SIGNAL]
    assert (down.why, down.down) == ("prom: timeout", True)
    none = told([ran], ran.ref, Asked(kinds=frozenset({"container"})))[Hop.SIGNAL]
    assert (none.why, none.mend) == ("no source here lists series", "add Prometheus under sources:")


def test_no_model_is_missed_where_none_is_served() -> None:
    assert Hop.VERSION not in told([box("redis", "id", service="redis")], Ref("engine", "container", "engine-redis"))


def folded(records: list[Record], begin: Ref, hop: Hop, **more: int) -> Folded:
    graph = Graph(records)
    return fold(walk(graph, begin), graph, hop, **more)  # type: ignore[arg-type]


def test_tags_and_copies_of_one_image_are_one_and_replicas_are_one_service() -> None:
    records = [
        tag("team/api:v1", "index", "c"), tag("team/api:latest", "index", "c"), tag("team/api:v2", "two", "c"),
        image("reg:5000/team/api:v1", "id", "index"),
        *(box(f"api-{n}", "id", service="api", manifest="index", seed="c") for n in range(3)),
        box("api-s", "id", "staging", service="api", manifest="index", seed="c", status=Status.BAD, state="unhealthy"),
        service("api", "prod", "engine/api-0"),
    ]  # fmt: skip
    begin = bare("commit", sha("c"))
    images = folded(records, begin, Hop.IMAGE).shown
    assert sorted((group.head.name, group.words) for group in images) == [
        ("team/api:latest", "+1 tag, +1 image"), ("team/api:v2", "")
    ]
    workloads = folded(records, begin, Hop.WORKLOAD).shown
    assert [(g.head.name, g.words, g.status) for g in workloads] == [
        ("api-s", "", Status.BAD), ("api-0", "+2 containers, +1 service", Status.OK),
    ]  # fmt: skip


def test_many_are_folded_and_open_again() -> None:
    records: list[Record] = [commit("c"), *(run(n, "c", workflow=f"w{n}", created_at=float(n)) for n in range(40))]
    begin = bare("commit", sha("c"))
    shown = folded(records, begin, Hop.RUN)
    assert ([group.head.name for group in shown.shown], len(shown.more)) == (["ci #39", "ci #38", "ci #37"], 37)
    assert len(folded(records, begin, Hop.RUN, opened=True).shown) == 40


def test_one_axis_holds_what_happened_in_every_system() -> None:
    records = world()
    found = thread(records, records[6])
    at = datetime.fromtimestamp(470, UTC)
    row = ChangeRow(
        id="1", at=at, source="engine", system="docker", kind="container", ref=str(records[6].ref), name="api-1",
        environment="prod", what="image", before="v0", after="v1", by="us", op="", actor="ann",
    )  # fmt: skip
    elsewhere = ChangeRow(
        id="2", at=at, source="x", system="docker", kind="container", ref="x/container/other", name="other",
        environment="prod", what="image", before="a", after="b", by="us", op="", actor="",
    )  # fmt: skip
    happened = events(found, [row, elsewhere])
    assert [(event.at, event.lane) for event in happened] == [(100.0, "commits"), (100.0, "commits"),
                                                              (470.0, "changes"), (500.0, "alerts")]  # fmt: skip
    assert happened[2].words == "api-1 image v0 → v1"
    placed = columns(happened, 0.0, 1000.0, 10)
    assert list(placed) == ["commits", "alerts", "changes"]
    assert list(placed["alerts"]) == [5]
    assert "commits" not in columns(happened, 200.0, 1000.0, 10)


def test_a_change_of_state_that_the_thing_tells_itself_stands_once() -> None:
    ran = run(1, "c", state="failure", finished_at=500.0)

    def change(at: float, what: str) -> ChangeRow:
        return ChangeRow(
            id=f"{at} {what}", at=datetime.fromtimestamp(at, UTC), source="gh", system="github", kind="run",
            ref=str(ran.ref), name=ran.name, environment="", what=what, before="running", after="failure",
            by="outside", op="", actor="",
        )  # fmt: skip

    found = events(thread([ran], ran), [change(510.0, "state"), change(505.0, "branch"), change(900.0, "state")])
    assert [(event.at, event.lane) for event in found] == [(500.0, "runs"), (505.0, "changes"), (900.0, "changes")]


def test_an_alias_that_was_moved_is_on_the_axis_with_who_did_it() -> None:
    tags = {"quarterdeck.alias.champion.at": "1970-01-01T00:05:00+00:00", "quarterdeck.alias.champion.by": "ann"}
    made = version("4", aliases=("champion",), tags=tags, created_at=200.0)
    found = events(thread([made], made))
    assert [(event.at, event.words, event.by) for event in found] == [
        (200.0, "fraud v4 registered", ""), (300.0, "@champion → fraud v4", "ann"),
    ]  # fmt: skip


def test_what_a_guess_led_to_is_not_on_the_axis() -> None:
    ran, silent = box("a", "id", service="api", started_at=1.0), alert("Slow", "api")
    assert [event.words for event in events(thread([ran, silent], ran))] == ["a started"]


def test_the_key_series_lies_beside_the_events() -> None:
    records = world()
    found = key_series(thread(records, records[6]))
    assert found is not None
    assert levels(found, 440.0, 470.0, 3) == [None, 1.0, 2.0]
    assert key_series(thread([box("a", "id")], Ref("engine", "container", "engine-a"))) is None
    empty = series("p95", "api", "prod")
    assert key_series(thread([empty], empty)) is None


def test_the_window_is_at_least_an_hour() -> None:
    assert window((), 10_000.0) == (6_400.0, 10_000.0)
    records = world()
    assert window(events(thread(records, records[6])), 10_000.0)[0] == 100.0
    assert window((), 100_000.0, hours=2)[0] == 92_800.0


def test_the_names_of_what_has_no_row() -> None:
    found = thread([run(1, "c", pulls=(7,))], bare("commit", sha("c")))
    assert names(found, Hop.CHANGE) == {"change_request": ["#7 of github.com/acme/api"]}
