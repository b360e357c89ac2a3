"""Names, paths, payloads and logs of Jenkins as pure functions."""

from __future__ import annotations

from typing import Any

import pytest

from quarterdeck_adapters.jenkins import checkouts, mapping
from quarterdeck_adapters.jenkins.gates import asked as asked_of
from quarterdeck_adapters.jenkins.logs import stamped
from quarterdeck_adapters.jenkins.mapping import Found, Home
from quarterdeck_adapters.jenkins.parameters import MASK, definitions, input_of, masked, parameter_of
from quarterdeck_adapters.jenkins.places import Place, item_of, job_of, path_of, place_of, roots
from quarterdeck_adapters.jenkins.progressive import Answered, Progress
from quarterdeck_adapters.jenkins.walking import jobs_in, tree
from quarterdeck_lifecycle.records import Ref, Status
from quarterdeck_lifecycle.text import LogLine

HOME = Home("ci", "", "https://ci.example/jenkins")
SHA = "0123456789" * 4
# https://www.jenkins.io/doc/book/using/remote-access-api/
BUILD: dict[str, Any] = {
    "_class": "org.jenkinsci.plugins.workflow.job.WorkflowRun", "number": 7, "queueId": 4711, "building": False,
    "result": "FAILURE", "timestamp": 1_700_000_000_000, "duration": 61_500, "description": None,
    "actions": [
        {}, {"_class": "hudson.model.CauseAction", "causes": [
            {"_class": "hudson.model.Cause$UserIdCause", "shortDescription": "Started by user A", "userId": "a"}]},
        {"_class": "hudson.plugins.git.util.BuildData", "remoteUrls": ["git@github.com:acme/api.git"],
         "lastBuiltRevision": {"SHA1": SHA, "branch": [{"SHA1": SHA, "name": "refs/remotes/origin/main"}]}},
    ],
}  # fmt: skip
JOB = Found("acme/api/main", "main", "main")


def test_a_path_names_each_folder_and_an_encoded_branch_is_encoded_once_more() -> None:
    assert path_of("acme/api/fix%2Fnull") == "/job/acme/job/api/job/fix%252Fnull"
    assert path_of("") == ""
    assert path_of("a b/ü?") == "/job/a%20b/job/%C3%BC%3F"


@pytest.mark.parametrize(
    ("url", "found"),
    [
        ("http://h/jenkins/job/acme/job/api/job/fix%252Fnull/", ("acme/api/fix%2Fnull", 0)),
        ("http://h/job/train/212/", ("train", 212)), ("http://h/view/all/job/a/job/b/7/console", ("a/b", 7)),
        ("http://h/computer/x/", ("", 0)), ("http://h/job/../job/x/", ("", 0)), ("http://[", ("", 0)), ("", ("", 0)),
        ("http://h/job/a%2F..%2Fb/", ("", 0)),
    ],
)  # fmt: skip
def test_an_address_of_jenkins_own_names_job_and_build(url: str, found: tuple[str, int]) -> None:
    assert job_of(url) == found


def test_a_location_names_the_queue_item() -> None:
    assert item_of("http://h/jenkins/queue/item/4711/") == 4711
    assert item_of("/queue/item/12") == 12
    for other in ("", "http://h/job/x/", "/queue/item/x/", "/queue/item/0/"):
        assert item_of(other) == 0


def test_refs_name_builds_by_queue_id_or_number_and_stages_by_their_node() -> None:
    def place(id: str, kind: str = "run", names: tuple[str, ...] = ()) -> Place | None:
        return place_of(Ref("ci", kind, id), names)

    assert place("acme/api/main@4711") == Place("acme/api/main", 4711)
    assert place("train#7") == Place("train", 0, 7)
    assert place("acme/api/main@4711/12", "job") == Place("acme/api/main", 4711, 0, "12")
    assert place("train#7/build", "job") == Place("train", 0, 7, "build")
    assert place("acme/x@1", names=("acme",)) == Place("acme/x", 1)
    for wrong in ("train", "@7", "a@0", "a@7#7", "../x@7", "a//b@7", "a@7/3", "acmeX@7"):
        assert place(wrong, names=("acme", "a", "train")) is None
    assert place("a@7", "job") is None


def test_configured_names_are_once_each_and_none_inside_another() -> None:
    good, bad = roots(["acme/", "acme/api", "ops/deploy", "https://h/jenkins/job/x/job/y/", "a/../b", "", "p@q"])
    assert good == ["acme", "ops/deploy", "x/y"]
    assert bad == ["a/../b", "", "p@q"]


def test_a_build_is_a_row() -> None:
    run = mapping.run_record(BUILD, JOB, HOME)
    assert (run.name, run.state, run.status, run.number) == ("api main #7", "failure", Status.BAD, "7")
    assert run.ref == Ref("ci", "run", "acme/api/main@4711")
    assert (run.repository, run.branch, run.head, run.workflow) == ("acme/api", "main", SHA, "acme/api")
    assert (run.link("repository"), run.link("commit"), run.link("branch")) == ("github.com/acme/api", SHA, "main")
    assert (run.duration_s, run.finished_at) == (61.5, 1_700_000_061.5)
    assert (run.event, run.actor, run.default_branch) == ("manual", "a", "main")
    assert run.url == "https://ci.example/jenkins/job/acme/job/api/job/main/7/"


def test_a_build_that_goes_on_has_no_duration_and_odd_fields_count_as_absent() -> None:
    going = mapping.run_record({**BUILD, "building": True, "result": None, "duration": 0}, JOB, HOME)
    assert (going.state, going.duration_s, going.finished_at) == ("running", None, None)
    odd = mapping.run_record(
        {"number": 3, "queueId": -1, "building": "no", "result": 7, "timestamp": "x", "duration": -5, "actions": {}},
        Found("x"), HOME,
    )  # fmt: skip
    assert (odd.ref.id, odd.state, odd.status, odd.started_at) == ("x#3", "7", Status.UNKNOWN, None)
    assert mapping.run_record({**BUILD, "result": "ODD\x1b[2J"}, JOB, HOME).state.isprintable()


def test_of_several_checkouts_the_project_s_own_counts() -> None:
    def data(slug: str, branch: str, id: str) -> dict[str, Any]:
        return {"remoteUrls": [f"https://github.com/{slug}.git"], "lastBuiltRevision": {
            "SHA1": id * 40, "branch": [{"SHA1": id * 40, "name": branch}]}}  # fmt: skip

    library, own = data("acme/ci-library", "main", "a"), data("acme/api", "origin/main", "b")
    for order in ([library, own], [own, library]):
        assert checkouts.checkout(order, "acme/api", "main") == ("b" * 40, "main", "github.com/acme/api")
    assert checkouts.checkout([library, data("acme/other", "dev", "c")], "train", "").sha == "c" * 40
    assert checkouts.checkout([{"lastBuiltRevision": {"SHA1": "main"}}, {}], "x", "") == ("", "", "")


def test_what_a_build_says_of_images_and_models_ties_it_to_them() -> None:
    digest = f"sha256:{'0f' * 32}"
    given = {"IMAGE": "reg/api:v1", "TARGET": f"reg/api@{digest}", "KEY": None}
    run = "0123456789abcdef" * 2
    text = f"candidate model fraud/17, run {run}, not model ../9 or sha256:12"
    found = {
        (link.kind, link.value): link.evidence
        for link in checkouts.links(checkouts.Checkout(), given, text, "412", "PR-412")
    }
    assert found == {
        ("pull_request", "412"): "name of the job in its multibranch project",
        ("image", "reg/api:v1"): "parameter IMAGE", ("digest", digest): "parameter TARGET",
        ("version", "fraud/17"): "description of the build", ("training_run", run): "description of the build",
    }  # fmt: skip


def test_what_waits_is_a_row_with_the_reason_and_the_identity_of_its_build() -> None:
    item = {"id": 4711, "why": "Waiting for next available executor on ‘gpu’", "inQueueSince": 1_700_000_000_000}
    run = mapping.queued_record(item, JOB, HOME, slug="acme/api")
    assert (run.state, run.status, run.queued_for) == ("queued", Status.QUEUED, item["why"])
    assert (run.where, run.note, run.number) == (item["why"], "", "q4711")
    assert run.ref == mapping.run_record(BUILD, JOB, HOME).ref
    stuck = mapping.queued_record({**item, "stuck": True, "why": "a\x1b[31m\u202eb"}, JOB, HOME)
    assert stuck.note.startswith("stuck: ")
    assert stuck.note.isprintable()


def test_stages_and_their_steps() -> None:
    # https://github.com/jenkinsci/pipeline-stage-view-plugin/blob/master/rest-api/README.md
    step = {"id": "9", "name": "Shell Script", "status": "FAILED", "parameterDescription": "make test",
            "error": {"message": "script returned exit code 1", "type": "hudson.AbortException"},
            "startTimeMillis": 1413462240999, "durationMillis": 4999}  # fmt: skip
    stage = {"id": "8", "name": "Test", "status": "FAILED", "startTimeMillis": 1413462240994, "durationMillis": 5030,
             "execNode": "gpu-1", "stageFlowNodes": [{**step, "id": "7", "status": "SUCCESS"}, step]}  # fmt: skip
    job = mapping.job_record(stage, "train@1", HOME)
    assert (job.name, job.state, job.status, job.runner, job.stage) == ("Test", "failure", Status.BAD, "gpu-1", "Test")
    assert job.ref == Ref("ci", "job", "train@1/8")
    assert job.note == "Shell Script (make test) · script returned exit code 1"
    assert job.steps[1] == ("Shell Script (make test)", "failure", "bad", 4.999)
    assert (job.finished_at or 0) - (job.started_at or 0) == pytest.approx(5.03)
    spot = mapping.stage_spot([{"name": "Build", "status": "SUCCESS"}, stage], stage["stageFlowNodes"])  # type: ignore[arg-type]
    assert spot.note == "Test / Shell Script (make test)"
    going = mapping.stage_spot([{"name": "Build", "status": "SUCCESS"}, {"name": "Deploy", "status": "IN_PROGRESS"}])
    assert going.where == "Deploy (stage 2 of 2 so far)"


def test_unstable_runs_that_were_followed_are_history() -> None:
    def at(number: int, result: str) -> Any:
        return mapping.run_record({**BUILD, "number": number, "queueId": number, "result": result}, JOB, HOME)

    newest = mapping.rested([at(3, "UNSTABLE"), at(2, "UNSTABLE"), at(1, "FAILURE")])
    assert [run.status for run in newest] == [Status.LOOK, Status.IDLE, Status.BAD]


def test_parameters_are_asked_for_and_secrets_are_never_shown() -> None:
    # https://javadoc.jenkins.io/hudson/model/ParameterDefinition.html
    job = {"property": [{}, {"parameterDefinitions": [
        {"name": "BRANCH", "type": "StringParameterDefinition", "description": "which\nmore",
         "defaultParameterValue": {"value": "main"}},
        {"name": "DRY", "type": "BooleanParameterDefinition", "defaultParameterValue": {"value": True}},
        {"name": "ON", "type": "ChoiceParameterDefinition", "choices": ["a", "b"],
         "defaultParameterValue": {"value": "a"}},
        {"name": "KEY", "type": "PasswordParameterDefinition", "defaultParameterValue": {"value": "s3cret"}},
        {"name": "FILE", "type": "FileParameterDefinition"},
    ]}]}  # fmt: skip
    branch, dry, on, key, file = map(parameter_of, definitions(job))
    assert (branch.default, branch.title, branch.choices) == ("main", "which", ())
    assert (dry.default, dry.choices) == ("true", ("true", "false"))
    assert (on.default, on.choices) == ("a", ("a", "b"))
    assert (key.secret, key.default) == (True, "")
    assert "cannot be given here" in file.title
    assert masked({"KEY": "s3cret", "ON": "b"}, [key, on]) == {"KEY": MASK, "ON": "b"}
    assert masked({"KEY": "env:K"}, [key]) == {"KEY": "env:K"}
    asked = input_of({"name": "P", "type": "PasswordParameterDefinition", "definition": {"defaultVal": "s3cret"}})
    assert (asked.secret, asked.default) == (True, "")
    gate = asked_of({"id": "Go", "message": "go?\x1b[2J", "inputs": [
        {"name": "KEY", "type": "PasswordParameterDefinition", "definition": {"defaultVal": "s3cret"}},
        {"name": "DRY", "type": "BooleanParameterDefinition", "definition": {"defaultVal": True}}]})  # fmt: skip
    assert gate.usual == (("KEY", "<DEFAULT>"), ("DRY", "true"))
    assert gate.message.isprintable()
    actions = [{"parameters": [{"_class": "hudson.model.PasswordParameterValue", "name": "KEY"},
                               {"name": "DRY", "value": False}]}]  # fmt: skip
    assert checkouts.parameters(actions) == {"KEY": None, "DRY": "false"}


def test_the_walk_finds_branches_in_folders_and_asks_no_deeper_than_it_says() -> None:
    branch = {"_class": "WorkflowJob", "name": "fix%2Fx", "displayName": "fix/x", "color": "red_anime",
              "url": "http://h/j/job/acme/job/api/job/fix%252Fx/", "lastBuild": {"number": 4}}  # fmt: skip
    primary = {"_class": "jenkins.scm.api.metadata.PrimaryInstanceMetadataAction"}
    main = {**branch, "name": "main", "displayName": "main", "url": "http://h/j/job/acme/job/api/job/main/",
            "color": "blue", "actions": [primary]}  # fmt: skip
    multi = {"_class": "org.jenkinsci.plugins.workflow.multibranch.WorkflowMultiBranchProject", "jobs": [branch, main],
             "url": "http://h/j/job/acme/job/api/"}  # fmt: skip
    strange = [{"name": "x", "url": "http://h/computer/"}, 7, {"url": "http://h/job/a/job/../"}]
    found = jobs_in({"jobs": [{"_class": "Folder", "url": "http://h/j/job/acme/", "jobs": [multi]}, *strange]}, "")
    assert [(job.name, job.branch, job.primary, job.last, job.moving) for job in found] == [
        ("acme/api/fix%2Fx", "fix/x", "main", 4, True), ("acme/api/main", "main", "main", 4, False),
    ]  # fmt: skip
    assert (found[0].project, found[0].short) == ("acme/api", "api fix/x")
    assert tree(2).count("jobs[") == 2


def fed(progress: Progress, *answers: tuple[bytes, int]) -> list[tuple[bytes, str]]:
    pieces = [progress.piece(Answered(data, size, True)) for data, size in answers]
    return [(piece.data, piece.anew) for piece in pieces]


def test_a_log_that_grows_is_read_from_its_offset() -> None:
    progress = Progress()
    assert fed(progress, (b"one\ntwo\n", 8), (b"three\n", 14), (b"", 14)) == [
        (b"one\ntwo\n", ""), (b"three\n", ""), (b"", ""),
    ]  # fmt: skip
    assert progress.offset == 14
    # Annotations are taken out of the body: it is shorter than its offsets say.
    assert fed(progress, (b"four\n", 60)) == [(b"four\n", "")]


def test_a_log_that_shrank_is_shown_anew_and_one_whose_offsets_mean_nothing_without_doubles() -> None:
    text = b"Started by user Amina Okafor\nline two\n"
    shrunk = Progress()
    assert fed(shrunk, (text, 38), (b"Started anew\n", 13))[1] == (
        b"Started anew\n", "the log shrank from 38 to 13 bytes: from its start",
    )  # fmt: skip
    assert fed(shrunk, (b"more\n", 18)) == [(b"more\n", "")]
    # The store answers the whole log whatever the offset.
    stored = Progress()
    assert fed(stored, (text, 38), (text + b"line three\n", 49), (text + b"line three\n", 49)) == [
        (text, ""), (b"line three\n", ""), (b"", ""),
    ]  # fmt: skip
    # It is another log than was shown: no offset helps.
    other = Progress()
    began = b"Started by user Amina Okafor\n"
    assert fed(other, (began + b"old\n", 33), (began + b"new\nand more\n", 42))[1] == (
        began + b"new\nand more\n", "the log's store kept no offset: from its start",
    )  # fmt: skip


def test_a_log_that_was_not_read_from_its_start_is_known_again_by_its_head() -> None:
    progress = Progress()
    head = b"Started by user Amina Okafor\n" + b"x" * 600
    progress.skip_to(1000, head)
    assert fed(progress, (b"tail\n", 1005), (b"end\n", 1009)) == [(b"tail\n", ""), (b"end\n", "")]
    assert fed(progress, (head + b"all", 1010))[0][1] == "the log's store kept no offset: from its start"


def test_what_came_at_once_and_was_not_kept_is_counted() -> None:
    piece = Progress().piece(Answered(b"end\n", 9_000_000, False, 8_999_996))
    assert (piece.data, piece.ended, piece.anew) == (b"end\n", True, "8,999,996 bytes came at once and are not shown")


def test_the_time_that_timestamps_write_is_the_line_s_own() -> None:
    line = stamped(LogLine("[2023-11-14T22:13:20.500Z] ok", ((0, 10, "dim"), (27, 29, "green")), "", None), "train")
    assert line == LogLine("ok", ((0, 2, "green"),), "train", 1_700_000_000.5)
    for other in ("plain", "[2023-99-99T22:13:20Z] x", "[Pipeline] sh"):
        assert stamped(LogLine(other, (), "", None), "") == LogLine(other, (), "", None)
