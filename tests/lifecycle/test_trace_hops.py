"""Every hop of a thread, from each of its ends, and what is not tied."""

from __future__ import annotations

import msgspec
import pytest

from parts.tracing import (
    alert,
    box,
    commit,
    deployment,
    digest,
    endpoint,
    image,
    link,
    names,
    operation,
    pull,
    run,
    service,
    sha,
    tag,
    thread,
    training,
    version,
    world,
)
from quarterdeck_lifecycle.kinds import Container, Job
from quarterdeck_lifecycle.records import Ref
from quarterdeck_lifecycle.trace.facts import bare
from quarterdeck_lifecycle.trace.graph import Graph
from quarterdeck_lifecycle.trace.hops import Hop, Place
from quarterdeck_lifecycle.trace.thread import walk

WHOLE = {
    "commit": [sha("c")[:10]], "change_request": ["#7"], "run": ["ci #1"],
    "image": ["reg:5000/team/api:v1", "team/api:v1"], "release": ["deployment 5"], "workload": ["api", "api", "api-1"],
    "model_version": ["fraud v3"], "training_run": ["t" * 32], "training_pipeline": ["ci #2"],
    "training_commit": [sha("m")[:10]], "signal": ["Slow", "p95"],
}  # fmt: skip


@pytest.mark.parametrize("place", range(len(world())))
def test_the_whole_thread_is_found_from_each_of_its_hops(place: int) -> None:
    records = world()
    assert names(thread(records, records[place])) == WHOLE


def test_every_link_says_what_it_was_read_from() -> None:
    records = world()
    found = thread(records, records[6])
    assert all(edge.evidence and not edge.guess for edge in found.edges)
    told = {edge.evidence for edge in found.edges}
    assert f"commit {sha('c')[:10]}: head_sha of the run = label org.opencontainers.image.revision" in told
    assert f"digest {digest('index')[:19]}: Docker-Content-Digest = repository digest" in told
    assert "version fraud/3: label version of a metric = said" in told


def test_a_link_goes_from_the_commit_away_and_never_back() -> None:
    records = world()
    found = thread(records, records[9])
    assert found.edges
    assert all(edge.at < edge.to for edge in found.edges)


def test_what_only_shares_a_commit_with_something_on_the_way_is_not_pulled_in() -> None:
    other = [tag("team/worker:v1", "worker", "c"), box("worker-1", "w-id", manifest="worker", seed="c")]
    records = [*world(), *other]
    assert "worker-1" not in names(thread(records, records[6]))["workload"]
    assert "worker-1" in names(thread(records, records[0]))["workload"]


def test_a_training_run_of_the_same_commit_is_not_a_versions() -> None:
    records = [*world(), training("u" * 32, "m")]
    assert names(thread(records, records[9]))["training_run"] == ["t" * 32]
    assert names(thread(records, bare("commit", sha("m"))))["training_run"] == ["t" * 32, "u" * 32]


def test_an_index_and_the_manifest_of_a_platform_are_one_image_once_its_manifest_was_read() -> None:
    listed, ran = tag("team/api:v1", "index", "c"), box("api-1", "id", manifest="arm64")
    graph = Graph([listed, ran])
    assert "workload" not in names(walk(graph, listed.ref))
    graph.learn(listed.ref, [link("digest", digest("arm64"), "linux/arm64 of the index")])
    found = walk(graph, listed.ref)
    assert names(found)["workload"] == ["api-1"]
    assert any("linux/arm64 of the index" in edge.evidence for edge in found.edges)
    moved = msgspec.structs.replace(listed, digest=digest("new"), links=(link("digest", digest("new")),))
    graph.add(moved)
    assert "workload" not in names(walk(graph, listed.ref))


def test_swarm_names_and_our_marks_tie_a_workload() -> None:
    ran = box("api.1.x", "id", labels={"com.docker.swarm.service.name": "api", "quarterdeck.op": "op-1"})
    records = [ran, operation("op-1", "api", "prod"), operation("op-2", "api", "dev"), alert("Slow", "api", "prod")]
    assert names(thread(records, ran)) == {
        "image": [digest("id")[:19]], "release": ["deploy api"], "workload": ["api.1.x"], "signal": ["Slow"],
    }  # fmt: skip
    edges = thread(records, ran).edges
    assert any(edge.evidence == "op op-1: the operation itself = label quarterdeck.op" for edge in edges)


def test_a_release_is_tied_to_what_it_put_there() -> None:
    records = [operation("op-1", "api", "prod", "index"), tag("team/api:v1", "index", "c")]
    assert names(thread(records, records[0]))["commit"] == [sha("c")[:10]]


def test_a_deployment_is_its_runs_and_runs_in_its_environment() -> None:
    records = [run(1, "c"), run(2, "c"), deployment(5, "c", "prod", run="acme/api/1"), box("p", "i", seed="c"),
               box("s", "i", "staging", seed="c")]  # fmt: skip
    found = thread(records, records[2])
    assert names(found, Hop.RUN, Hop.WORKLOAD) == {"run": ["ci #1"], "workload": ["p"]}
    told = msgspec.structs.replace(records[2], run="")  # type: ignore[type-var]
    assert names(thread([*records[:2], told], told))["run"] == ["ci #1", "ci #2"]


def test_a_job_and_a_repository_row_lead_to_what_they_are_of() -> None:
    job = Job(ref=Ref("gh", "job", "9"), name="build", run="acme/api/1")
    records = [*world(), job]
    assert names(thread(records, job)) == WHOLE


def test_one_image_in_five_environments() -> None:
    made = [tag("team/api:v1", "index", "c")]
    boxes = [box(f"api-{env}", "id", env, service="api", manifest="index") for env in ("a", "b", "c", "d", "e")]
    services = [service("api", env, f"engine/api-{env}") for env in ("a", "b", "c", "d", "e")]
    found = thread([*made, *boxes, *services], made[0])
    assert len(found.of(Hop.WORKLOAD)) == 10
    only = thread([*made, *boxes, *services], boxes[1])
    assert names(only)["workload"] == ["api", "api-b"]
    assert [node.record.environment for node in only.of(Hop.WORKLOAD) if node.record] == ["b", "b"]


def test_one_model_served_twice() -> None:
    records = [version("3", "t" * 32), box("one", "i"), endpoint("scorer", "prod", "3", container="one"),
               endpoint("scorer", "staging", "3"), endpoint("other", "prod", "2")]  # fmt: skip
    found = thread(records, records[0])
    assert [node.ref.id for node in found.of(Hop.WORKLOAD)] == ["engine-one", "scorer@prod", "scorer@staging"]


def test_a_run_that_names_a_digest_built_the_image_unless_that_says_another_commit() -> None:
    built = msgspec.structs.replace(run(3, "c"), links=(*run(3, "c").links, link("digest", digest("i"), "variable")))
    unlabelled, labelled = tag("team/api:v1", "i"), tag("team/api:v1", "i", "other")
    found = thread([built, unlabelled], unlabelled)
    assert (names(found)["run"], names(found)["commit"]) == (["ci #3"], [sha("c")[:10]])
    assert [edge.evidence for edge in found.edges if edge.to is Place.TAG and edge.at is Place.RUN] == [
        f"digest {digest('i')[:19]}: variable = Docker-Content-Digest"
    ]
    assert names(thread([built, unlabelled], built))["image"] == ["team/api:v1"]
    assert "run" not in names(thread([built, labelled], labelled))


def test_a_service_and_the_model_of_its_container_are_found_from_each_other() -> None:
    def declares(name: str, number: str, seed: str) -> Container:
        labels = {"quarterdeck.model_uri": f"models:/fraud/{number}"}
        return box(name, name, manifest=name, seed=seed, image=f"reg:5000/team/api:{name}", labels=labels)

    records = [declares("api-1", "3", "c"), declares("api-2", "4", "d"), version("3"), version("4"),
               service("api", "prod", "engine/api-1", "engine/api-2")]  # fmt: skip
    assert names(thread(records, records[4]))["model_version"] == ["fraud v3", "fraud v4"]
    found = names(thread(records, records[2]))
    assert (found["workload"], found["commit"]) == (["api", "api-1"], [sha("c")[:10]])
    assert found["model_version"] == ["fraud v3"]


def test_a_signal_belongs_to_its_environment_and_without_one_is_a_guess() -> None:
    there, elsewhere, silent = alert("A", "api", "prod"), alert("B", "api", "dev"), alert("C", "api")
    ran = box("api-1", "id", service="api")
    found = thread([ran, there, elsewhere, silent], ran)
    assert [(node.name, node.guess) for node in found.of(Hop.SIGNAL)] == [("A", False), ("C", True)]
    guess = next(edge for edge in found.edges if edge.guess)
    assert guess.evidence.endswith("the signal says no environment")


def test_a_workload_without_environment_is_guessed_only_while_none_is_there() -> None:
    nowhere, there, said = box("n", "id", "", service="api"), box("t", "id", service="api"), alert("A", "api", "prod")
    assert [n.guess for n in thread([nowhere, said], said).of(Hop.WORKLOAD)] == [True]
    assert names(thread([nowhere, there, said], said))["workload"] == ["t"]


def test_change_requests_are_of_their_repository() -> None:
    fork = "https://github.com/other/api"
    records = [pull(7, "x"), pull(7, "y", fork), run(1, "c", pulls=(7,)), run(2, "d", fork, pulls=(7,))]
    assert [n.ref.id for n in thread(records, records[2]).of(Hop.CHANGE)] == ["acme/api/7"]
    assert [n.ref.id for n in thread(records, records[3]).of(Hop.CHANGE)] == ["other/api/7"]


def test_a_fork_that_ran_the_same_commit_is_shown_with_its_own_repository() -> None:
    records = [run(1, "c"), run(2, "c", "https://github.com/fork/api"), tag("team/api:v1", "i", "c")]
    assert [n.ref.id for n in thread(records, records[2]).of(Hop.RUN)] == ["acme/api/1", "fork/api/2"]


def test_a_renamed_repository_still_holds_by_its_shas() -> None:
    old, new = "https://github.com/acme/old", "https://github.com/acme/new"
    records = [run(1, "c", old), pull(3, "c", new), tag("team/api:v1", "i", "c")]
    assert names(thread(records, records[0]), Hop.CHANGE, Hop.IMAGE) == {
        "change_request": ["#3"], "image": ["team/api:v1"]
    }


def test_a_force_pushed_branch_leaves_the_old_run_with_its_old_commit() -> None:
    before, after = run(1, "old", branch="fix"), run(2, "new", branch="fix")
    records = [before, after, pull(7, "new")]
    assert names(thread(records, before)) == {"commit": [sha("old")[:10]], "run": ["ci #1"]}
    assert names(thread(records, after))["change_request"] == ["#7"]


def test_a_merged_change_that_is_not_listed_is_known_by_its_number() -> None:
    found = thread([run(1, "c", pulls=(7,))], Ref("gh", "run", "acme/api/1"))
    assert [(n.name, n.record, n.guess) for n in found.of(Hop.CHANGE)] == [("#7 of github.com/acme/api", None, False)]


def test_a_version_and_a_run_that_no_registry_lists_are_known_by_their_names() -> None:
    served = endpoint("scorer", "prod", "9")
    assert names(thread([served], served)) == {"workload": ["scorer"], "model_version": ["fraud/9"]}
    made = version("9", "g" * 32)
    assert names(thread([served, made], served))["training_run"] == ["g" * 32]


def test_a_version_says_its_run_by_where_its_model_came_from() -> None:
    made = version("9", model_source=f"runs:/{'a' * 32}/model")
    assert names(thread([made, training("a" * 32, "m")], made))["training_commit"] == [sha("m")[:10]]


def test_what_runs_an_image_that_nobody_lists_names_its_digest() -> None:
    ran = box("api-1", "id")
    assert names(thread([ran], ran)) == {"image": [digest("id")[:19]], "workload": ["api-1"]}
    assert names(thread([ran, image("x:1", "id")], ran))["image"] == ["x:1"]


def test_a_place_of_its_own_for_each_side_of_a_commit() -> None:
    both = [run(1, "c"), tag("team/api:v1", "i", "c"), version("3", "t" * 32, "c"), training("t" * 32, "c")]
    found = thread(both, bare("commit", sha("c")))
    assert {node.place for node in found.nodes if node.ref.kind == "commit"} == {Place.COMMIT, Place.TRAINING_COMMIT}
    assert names(found, Hop.IMAGE, Hop.VERSION) == {"image": ["team/api:v1"], "model_version": ["fraud v3"]}


def test_a_run_that_only_trained_is_told_as_that() -> None:
    records = world()
    assert "run" in names(thread(records, records[12]))
    only = [run(2, "m"), training("t" * 32, "m")]
    assert names(thread(only, only[0])) == {
        "training_run": ["t" * 32], "training_pipeline": ["ci #2"], "training_commit": [sha("m")[:10]]
    }


def test_a_row_that_is_no_hop_has_no_thread() -> None:
    assert not thread(world(), Ref("engine", "volume", "data")).nodes


def test_a_commit_of_several_working_copies_is_one() -> None:
    records = [commit("c", "fix", "/a"), commit("c", "fix", "/b"), run(1, "c")]
    assert len(thread(records, records[2]).of(Hop.COMMIT)) == 1
    assert thread(records, records[0]).nodes == thread(records, records[1]).nodes


def test_two_images_of_one_service_do_not_meet_in_its_alert() -> None:
    records = [tag("team/api:v1", "old"), tag("team/api:v2", "new"), box("api-1", "o", service="api", manifest="old"),
               box("api-2", "n", service="api", manifest="new"), alert("Slow", "api", "prod")]  # fmt: skip
    assert names(thread(records, records[0]), Hop.WORKLOAD, Hop.IMAGE) == {
        "image": ["team/api:v1"], "workload": ["api-1"]
    }
    assert names(thread(records, records[4]))["image"] == ["team/api:v1", "team/api:v2"]
