"""Whatever records there are: a thread reads the same from both ends, has no cycle, invents nothing, and never depends
on the order in which records came and went."""

from __future__ import annotations

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from parts import tracing as made
from quarterdeck_lifecycle.records import Record, Ref
from quarterdeck_lifecycle.trace.folding import fold
from quarterdeck_lifecycle.trace.graph import BARE, Graph
from quarterdeck_lifecycle.trace.hops import HOP_OF, Hop
from quarterdeck_lifecycle.trace.thread import walk

SEEDS = st.sampled_from("abc")
ENVS = st.sampled_from(["prod", "staging", ""])
NAMES = st.sampled_from(["api", "scorer"])
NUMBERS = st.integers(1, 3)
HOMES = st.sampled_from(["https://github.com/acme/api", "https://github.com/fork/api"])
MAYBE = st.one_of(st.none(), SEEDS)

RECORDS: st.SearchStrategy[Record] = st.one_of(
    st.builds(made.commit, SEEDS, st.sampled_from(["", "fix (#1)", "more (#2)"]),
              st.sampled_from(["/src/api", "/b/api"]), st.sampled_from([(), ("tag: v1",), ("tag: v2", "main")])),
    st.builds(made.pull, NUMBERS, SEEDS, HOMES),
    st.builds(made.run, NUMBERS, SEEDS, HOMES, st.sampled_from([(), (1,), (2,)])),
    st.builds(made.tag, st.sampled_from(["team/api:v1", "team/api:v2", f"team/api:{made.sha('a')[:7]}"]), SEEDS, MAYBE),
    st.builds(made.image, st.sampled_from(["reg:5000/team/api:v1", "x:1"]), SEEDS, MAYBE, MAYBE),
    st.builds(made.deployment, NUMBERS, SEEDS, ENVS, st.sampled_from(["", "acme/api/1"])),
    st.builds(made.operation, st.sampled_from(["op-1", "op-2"]), NAMES, ENVS, MAYBE),
    st.builds(made.box, st.sampled_from(["api-1", "api-2"]), SEEDS, ENVS, service=st.sampled_from(["", "api"]),
              manifest=MAYBE, seed=MAYBE,
              labels=st.sampled_from([{}, {"quarterdeck.op": "op-1"}, {"MODEL_URI": "models:/fraud/1"}])),
    st.builds(made.service, NAMES, ENVS, st.sampled_from(["engine/api-1", "engine/api-2"])),
    st.builds(made.endpoint, NAMES, ENVS, st.sampled_from(["", "1", "2"]), container=st.sampled_from(["", "api-1"])),
    st.builds(made.version, st.sampled_from("12"), st.sampled_from(["", "t1"]), MAYBE),
    st.builds(made.training, st.sampled_from(["t1", "t2"]), MAYBE),
    st.builds(made.alert, st.sampled_from("AB"), NAMES, ENVS, st.sampled_from(["", "api-1"])),
)  # fmt: skip
SOME = st.lists(RECORDS, max_size=14, unique_by=lambda record: record.ref)
FEW = settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def everything(graph: Graph) -> set[Ref]:
    """Every row, and every bare name that any thread comes by."""
    found = {thing for record in graph.records() for thing in graph.things(record.ref)}
    return found | {ref for each in found for ref in walk(graph, each).refs}


@FEW
@given(SOME)
def test_a_thread_reads_the_same_from_its_other_end(records: list[Record]) -> None:
    graph = Graph(records)
    threads = {ref: walk(graph, ref).refs for ref in everything(graph)}
    for ref, refs in threads.items():
        for other in refs:
            assert ref in threads[other], f"{other} is on the thread of {ref}, and not the other way round"


@FEW
@given(SOME)
def test_links_only_lead_away_from_the_commit_and_everything_is_reached_by_them(records: list[Record]) -> None:
    graph = Graph(records)
    for record in records:
        found = walk(graph, record.ref)
        places = {(node.ref, node.place) for node in found.nodes}
        for edge in found.edges:
            assert edge.at < edge.to
            assert {(edge.one, edge.at), (edge.other, edge.to)} <= places
        for node in found.nodes:
            ends = {edge.one for edge in found.edges if edge.other == node.ref}
            ends |= {edge.other for edge in found.edges if edge.one == node.ref}
            assert node.steps == 0 or node.via in ends


@FEW
@given(SOME)
def test_nothing_is_invented(records: list[Record]) -> None:
    """Both ends of a link tell its evidence themselves, and whatever has no row is named by somebody who has one."""
    graph = Graph(records)
    told = {value for record in records for facts in graph.known(record.ref).facts.values() for value in facts}
    for record in records:
        found = walk(graph, record.ref)
        for node in found.nodes:
            assert graph.record(node.ref) is not None or (node.ref.source == BARE and node.ref.id in told)
        for edge in found.edges:
            ends = [graph.known(edge.one).facts, graph.known(edge.other).facts]
            values = [{value for facts in end.values() for value in facts} for end in ends]
            shared = values[0] & values[1]
            begins = {a for a in values[0] for b in values[1] if len(a) >= 7 and (b.startswith(a) or a.startswith(b))}
            assert shared or (begins and edge.guess)


@FEW
@given(SOME, SOME, st.randoms(use_true_random=False))
def test_records_that_came_and_went_leave_nothing(records: list[Record], others: list[Record], random: object) -> None:
    graph = Graph(others)
    for record in others:
        graph.remove(record.ref)
    assert (graph.size.links, graph.size.values, graph.size.records) == (0, 0, 0)
    steps = [*records]
    random.shuffle(steps)  # type: ignore[attr-defined]
    for record in (*others, *steps):
        graph.add(record)
    kept = {record.ref for record in records}
    for record in others:
        if record.ref not in kept:
            graph.remove(record.ref)
    built = Graph(records)
    for record in records:
        assert walk(graph, record.ref) == walk(built, record.ref)
    assert (graph.size.links, graph.size.values) == (built.size.links, built.size.values)
    assert sorted(graph.index.told("commit")) == sorted(built.index.told("commit"))
    assert all(sorted(graph.whole(sha[:7])) == sorted(built.whole(sha[:7])) for sha in built.index.told("commit"))


@FEW
@given(SOME, SOME)
def test_a_listing_at_a_time_is_as_built_at_once(before: list[Record], after: list[Record]) -> None:
    graph = Graph()
    feeds = {(record.ref.source, record.ref.kind) for record in (*before, *after)}
    for records in (before, after):
        for source, kind in feeds:
            graph.refresh(source, kind, [r for r in records if (r.ref.source, r.ref.kind) == (source, kind)])
    built = Graph(after)
    assert all(walk(graph, record.ref) == walk(built, record.ref) for record in after)
    assert graph.size.links == built.size.links


@FEW
@given(SOME)
def test_folding_loses_nothing_and_shows_everything_once(records: list[Record]) -> None:
    graph = Graph(records)
    for record in records:
        found = walk(graph, record.ref)
        folds = [fold(found, graph, hop) for hop in Hop]
        groups = [group for folded in folds for group in (*folded.shown, *folded.more)]
        shown = [(node.ref, node.place) for group in groups for node in group.nodes]
        assert sorted(shown) == sorted((node.ref, node.place) for node in found.nodes)
        assert {HOP_OF[place] for _, place in shown} <= set(Hop)
