"""Where a thing is: running, inside what runs, on its way, superseded, not there, unknown; and what stands between."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from parts.tracing import box, commit, deployment, digest, endpoint, operation, run, service, sha, tag, version
from quarterdeck_lifecycle.changelog import ChangeRow
from quarterdeck_lifecycle.ports import Between
from quarterdeck_lifecycle.records import Record, Ref, Status
from quarterdeck_lifecycle.trace.between import differences
from quarterdeck_lifecycle.trace.facts import bare
from quarterdeck_lifecycle.trace.graph import Graph
from quarterdeck_lifecycle.trace.history import Relation, compared, relation
from quarterdeck_lifecycle.trace.since import since
from quarterdeck_lifecycle.trace.thread import walk
from quarterdeck_lifecycle.trace.where import Here, Standing, asked_for, under_way, where

C, OLD = bare("commit", sha("c")), bare("commit", sha("old"))
ENVS = ("prod", "staging")


def here(records: list[Record], begin: Ref, **more: object) -> dict[str, Here]:
    graph = Graph(records)
    return {each.environment: each for each in where(walk(graph, begin), graph, ENVS, **more)}  # type: ignore[arg-type]


def standings(records: list[Record], begin: Ref, **more: object) -> list[tuple[str, str]]:
    return [(str(each.standing), each.words) for each in here(records, begin, **more).values()]


def built() -> list[Record]:
    return [
        tag("team/api:v2", "new", "c"), tag("team/api:v1", "old", "old"),
        box("api-1", "n", "prod", service="api", manifest="new", seed="c", image="reg:5000/team/api:v2"),
        box("api-2", "o", "prod", service="api", manifest="old", seed="old"),
        box("api-s", "o", "staging", service="api", manifest="old", seed="old"),
    ]  # fmt: skip


def test_it_runs_where_its_image_runs_and_on_how_many() -> None:
    assert standings(built(), C) == [("running", "api 1/2"), ("not there", "api runs api:v1")]
    assert standings(built(), OLD) == [("running", "api 1/2"), ("running", "api")]
    assert here(built(), C)["prod"].evidence.startswith("commit ")


def test_a_workload_is_asked_for_by_what_it_runs() -> None:
    records = built()
    graph = Graph(records)
    found = where(asked_for(walk(graph, records[4].ref), graph), graph, ENVS)
    assert [(str(each.standing), each.words) for each in found] == [("running", "api 1/2"), ("running", "api")]
    alone = Graph([records[4]])
    assert asked_for(walk(alone, records[4].ref), alone).begin != (records[4].ref,)
    assert asked_for(walk(graph, C), graph).begin == (C,)


def test_a_stopped_one_is_no_running_one() -> None:
    gone = box("api-1", "n", "prod", service="api", manifest="new", seed="c", state="exited 0")
    assert standings([gone], C)[0] == ("superseded", "api-1 is exited 0")


@pytest.mark.parametrize("begin", ["tag", "model"])
def test_an_image_and_a_model_version_are_asked_for_too(begin: str) -> None:
    served = [version("3"), endpoint("api", "staging", "3", container="api-s")]
    ref = Ref("reg", "tag", "team/api:v1") if begin == "tag" else Ref("ml", "version", "fraud/3")
    found = here([*built(), *served], ref)
    assert found["staging"].standing is Standing.RUNNING
    assert (found["prod"].standing is Standing.RUNNING) == (begin == "tag")


def test_a_service_beside_another_version_does_not_carry_it() -> None:
    records = [*built(), service("api", "prod", "engine/api-1", "engine/api-2")]
    assert standings(records, C)[0] == ("running", "api 1/2")
    stopped = [tag("team/api:v2", "new", "c"), box("api-1", "n", service="api", manifest="new", state="exited 0"),
               service("api", "prod", "engine/api-1", "engine/api-2")]  # fmt: skip
    assert standings(stopped, C)[0][0] == "superseded"


def test_a_commit_inside_a_later_one_runs() -> None:
    records = built()
    graph = Graph(records)
    asked = bare("commit", sha("early"))
    graph.add(commit("early", "feat: cache"))
    assert compared(walk(graph, asked), graph, ENVS) == ((sha("early"), sha("c")), (sha("early"), sha("old")))
    between = Between(commits=(commit("c"), commit("d")))
    history = {(sha("early"), sha("c")): relation(between, "feat: cache")}
    found = here([*records, commit("early", "feat: cache")], asked, history=history)
    assert (found["prod"].standing, found["prod"].words) == (
        Standing.RUNNING, f"api, inside {sha('c')[:10]}, 2 commits later",
    )  # fmt: skip


def test_an_image_does_not_run_where_a_later_one_holds_its_commit() -> None:
    history = {(sha("early"), sha("c")): relation(Between(commits=(commit("c"),)))}
    found = here([*built(), tag("team/api:v0", "early", "early")], Ref("reg", "tag", "team/api:v0"), history=history)
    assert (found["prod"].standing, found["prod"].words) == (
        Standing.SUPERSEDED, f"api runs {sha('c')[:10]}, 1 commit later",
    )  # fmt: skip


def test_a_commit_that_was_taken_back_is_superseded_as_a_guess() -> None:
    between = Between(commits=(commit("r", 'Revert "feat: cache"'), commit("c")))
    history = {(sha("early"), sha("c")): relation(between, "feat: cache")}
    found = here([*built(), commit("early", "feat: cache")], bare("commit", sha("early")), history=history)["prod"]
    assert (found.standing, found.guess) == (Standing.SUPERSEDED, True)
    assert found.words == f"taken back by {sha('r')[:10]}, which runs in api"


def test_a_commit_that_what_runs_does_not_hold_is_not_there() -> None:
    history = {(sha("late"), sha("old")): relation(Between(gone=(commit("late"), commit("x"))))}
    found = here([*built(), commit("late")], bare("commit", sha("late")), history=history)["staging"]
    assert (found.standing, found.words) == (Standing.NOT_THERE, f"api runs {sha('old')[:10]}, 2 commits before")
    assert relation(Between(gone=(commit("late"),))) == Relation(holds=False, ahead=1)


def test_only_commits_of_one_repository_are_compared() -> None:
    graph = Graph([*built(), run(9, "early", "https://github.com/acme/other")])
    assert compared(walk(graph, bare("commit", sha("early"))), graph, ENVS) == ()


def test_what_is_under_way_says_at_which_step() -> None:
    deploys = run(98, "c", status=Status.WAITING, state="waiting", where="approval", workflow="deploy-staging")
    records = [*built(), deploys]
    found = here(records, C)["staging"]
    assert (found.standing, found.words, found.guess) == (Standing.ON_ITS_WAY, "ci #98: approval", True)
    graph = Graph(records)
    assert [each.name for each in under_way(walk(graph, C))] == ["ci #98"]
    forge = deployment(5, "c", "staging", status=Status.RUNNING, state="in_progress")
    assert here([*built(), forge], C)["staging"].words == "deployment 5 in_progress"
    ours = operation("op-1", "api", "staging", "new", alive=True, place=5, steps=9, step="gate")
    assert here([*built(), ours], C)["staging"].words == "deploy api 5/9 gate"


def test_what_was_there_before_is_superseded_with_its_evidence() -> None:
    was = deployment(5, "c", "staging")
    assert standings([*built(), was], C)[1] == ("superseded", "deployment 5, and something else since")
    at = datetime(2026, 11, 23, tzinfo=UTC)
    row = ChangeRow(
        id="1", at=at, source="engine", system="docker", kind="service", ref="x", name="api", environment="staging",
        what="running", before=digest("new"), after=digest("old"), by="us", op="", actor="",
    )  # fmt: skip
    found = here(built(), C, past=[row])["staging"]
    assert (found.standing, found.words, found.since) == (Standing.SUPERSEDED, "api until then", at.timestamp())


def test_where_nothing_is_known_but_by_the_forge_the_forge_is_told() -> None:
    there = deployment(5, "c", "staging", current=True)
    assert standings([there], C) == [("not there", ""), ("running", "deployment 5, as the forge says")]
    other = box("api-s", "o", "staging", service="api", manifest="old", seed="old")
    assert standings([there, other], C)[1][0] == "not there"


def test_an_environment_is_one_however_it_is_written() -> None:
    records = [*built(), deployment(5, "c", "Staging", status=Status.RUNNING, state="in_progress")]
    assert standings(records, C)[1] == ("on its way", "deployment 5 in_progress")


def test_a_source_that_is_down_is_never_not_there() -> None:
    down = {"staging": "engine-2: timeout"}
    assert standings(built(), C, down=down) == [("running", "api 1/2"), ("unknown", "engine-2: timeout")]
    assert standings([], bare("commit", sha("x")), down={"": "no engine answers"})[0][0] == "unknown"


def test_two_environments_differ_by_commits_labels_config_and_models() -> None:
    labels = {"org.opencontainers.image.version": "2", "com.docker.compose.project": "p"}
    records = [
        box("p", "n", "prod", service="api", manifest="new", seed="c", labels=labels, command="serve --fast",
            ports=("0.0.0.0:80->8080/tcp",)),
        box("s", "o", "staging", service="api", manifest="old", seed="old", command="serve",
            labels={"org.opencontainers.image.version": "1", "com.docker.compose.project": "s"}),
        box("only", "x", "prod", service="etl"),
        endpoint("api", "prod", "4", container="p"), endpoint("api", "staging", "3", container="s"),
        box("same-p", "r", "prod", service="redis"), box("same-s", "r", "staging", service="redis"),
    ]  # fmt: skip
    api, etl, redis = differences(Graph(records), "staging", "prod")
    assert (api.service, etl.service, redis.service) == ("api", "etl", "redis")
    told = [(each.name, each.one, each.other) for each in api.labels]
    assert told == [("org.opencontainers.image.version", "1", "2")]
    assert [each.name for each in api.config] == ["command", "ports"]
    assert api.one is not None
    assert api.other is not None
    assert (api.one.versions, api.other.versions) == (("fraud/3",), ("fraud/4",))
    assert api.histories == ((sha("c"), sha("old")),)
    assert etl.one is None
    assert (etl.same, redis.same) == (False, True)


def test_a_service_that_no_engine_lists_is_compared_by_its_row() -> None:
    rows = [service("api", "prod", running="v2"), service("api", "staging", running="v1", state="exited")]
    found = differences(Graph(rows), "prod", "staging")
    assert found[0].one is not None
    assert found[0].one.images == ("v2",)
    assert found[0].other is None


def test_what_something_took_the_place_of_is_told_by_marks_and_by_the_forge() -> None:
    marked = box("api-1", "n", "prod", service="api", manifest="new", seed="c",
                 labels={"quarterdeck.previous": digest("old")})  # fmt: skip
    graph = Graph([tag("team/api:v1", "old", "old"), marked])
    found = since(walk(graph, marked.ref), graph)
    assert [(each.new, each.old, each.environment) for each in found] == [(sha("c"), sha("old"), "prod")]
    failed = deployment(3, "x", "prod", created_at=3.0, status=Status.BAD)
    rows = [deployment(2, "old", "prod", created_at=2.0), failed, deployment(4, "c", "prod", created_at=4.0),
            deployment(1, "elsewhere", "dev", created_at=3.0)]  # fmt: skip
    graph = Graph(rows)
    assert [each.old for each in since(walk(graph, C), graph)] == [sha("old")]
    assert since(walk(graph, OLD), graph) == ()
