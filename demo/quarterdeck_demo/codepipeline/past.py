"""The executions that there are when the world begins: of every commit of main, of every night, and what runs now."""

from __future__ import annotations

from random import Random

from quarterdeck_demo.codepipeline.definitions import PIPELINES, Pipeline
from quarterdeck_demo.codepipeline.machine import Machine, user
from quarterdeck_demo.codepipeline.records import Execution, Transition
from quarterdeck_demo.story import Repository, Story

MINUTE, HOUR, DAY = 60.0, 3600.0, 86_400.0
NIGHTS = 170
HELD = "INC-412 - no report until the figures are right"
APPROVERS = ("op2", "dara-n", "oper-a")


def machine_of(story: Story) -> Machine:
    """Every execution of the story up to its beginning; the same for the same seed."""
    machine = Machine(PIPELINES, story.seed)
    random = Random(f"codepipeline/{story.seed}")
    scorer, api, nightly = (machine.pipelines[name] for name in ("scorer-deploy", "fraud-api-deploy", "scorer-nightly"))
    for pipeline in (scorer, api):
        _commits(machine, pipeline, story, random)
    now = story.now
    held = _nights(machine, nightly, story, random)
    machine.transitions[nightly.name, "Report"] = Transition(False, user("dara-n"), now - 2 * DAY, HELD)
    held.at, held.status = nightly.index("Report"), "InProgress"
    heads = _line(story.repositories[api.slug])
    for pipeline, sha, ago in (
        (scorer, story.repositories[scorer.slug].head, 9 * MINUTE), (api, heads[1][0], 100.0), (api, heads[0][0], 40.0)
    ):  # fmt: skip
        machine.advance(now - ago)
        machine.add(_new(machine, pipeline, story, sha, now - ago))
        machine.settle(now - ago)
    machine.advance(now)
    return machine


def _line(repository: Repository) -> list[tuple[str, float]]:
    """The commits of main, newest first, with their time."""
    line, sha = [], repository.head
    while sha:
        commit = repository.commits[sha]
        line.append((sha, commit.at))
        sha = commit.parents[0] if commit.parents else ""
    return line


def _new(machine: Machine, pipeline: Pipeline, story: Story, sha: str, at: float, pace: float = 1.0) -> Execution:
    commit = story.repositories[pipeline.slug].commits[sha]
    variables = {each.name: each.default or "40" for each in pipeline.variables}
    made = Execution(
        machine.uuid(), pipeline, at, sha, commit.subject, ("WebhookV2", f"{pipeline.slug} push to main"), variables,
        pace, updated=at,
    )  # fmt: skip
    made.outputs = outputs(story, pipeline, sha)
    return made


def outputs(story: Story, pipeline: Pipeline, sha: str) -> dict[str, str]:
    """What the build of a commit puts out: the image where the commit is a release, and the model it serves."""
    name = pipeline.slug.partition("/")[2]
    made = {"COMMIT": sha}
    release = next((each for each in story.releases.get(name, ()) if each.sha == sha), None)
    if release is not None:
        made["IMAGE_URI"] = f"{story.registry}/team/{name}:{release.version}"
        made["IMAGE_DIGEST"] = release.image.digest
        if name == "scorer":
            model = next(each for each in story.models if each.name == "fraud")
            made["MODEL_VERSION"] = f"{model.name}/{model.aliases['champion']}"
    return made


def _commits(machine: Machine, pipeline: Pipeline, story: Story, random: Random) -> None:
    """An execution of every commit of main but those that run now; some fail, one is rolled back by itself."""
    commits = _line(story.repositories[pipeline.slug])
    newest = 1 if pipeline.name == "scorer-deploy" else 2
    for number, (sha, at) in enumerate(reversed(commits[newest:])):
        left = len(commits) - newest - number - 1
        start = min(at + 20, story.now - (left + 1) * 25 * MINUTE)
        made = _new(machine, pipeline, story, sha, start, random.uniform(0.85, 1.15))
        fails = ""
        if left == 1 and pipeline.name == "fraud-api-deploy":
            fails = "Production/verify"
        elif left == 4 or random.random() < 0.07:
            fails = random.choice(("Build/tests", "Build/tests", "Staging/smoke"))
        elif left == 6 and pipeline.mode == "SUPERSEDED":
            made.status, made.updated = "Superseded", start + 7 * MINUTE
            _through(machine, made, random, "", upto="Staging")
            made.at = pipeline.index("Production")
            machine.add(made)
            continue
        _through(machine, made, random, fails)
        machine.add(made)
        if fails == "Production/verify":
            target = machine.proven(pipeline.name, "Production", before=made)
            if target is not None:
                back = machine.roll_back(
                    target, "Production", made.updated + 1, "AutomatedRollback",
                    f"FailedPipelineExecutionId: {made.id}",
                )  # fmt: skip
                _through(machine, back, random, "")


def _nights(machine: Machine, pipeline: Pipeline, story: Story, random: Random) -> Execution:
    """An execution of every night; the last one failed. Answers the one before, which waits before its report."""
    commits = _line(story.repositories[pipeline.slug])
    held = None
    for night in range(NIGHTS, 0, -1):
        at = story.now - night * DAY + 18.5 * HOUR
        sha = next((sha for sha, when in commits if when < at), commits[-1][0])
        made = _new(machine, pipeline, story, sha, at, random.uniform(0.9, 1.1))
        made.trigger = ("CloudWatchEvent", "arn:aws:events:eu-west-1:123456789012:rule/nightly")
        fails = night == 1 or (night > 3 and random.random() < 0.04)
        if night == 2:
            _through(machine, made, random, "", upto="Test")
            held = made
        else:
            _through(machine, made, random, "Test/load" if fails else "")
        machine.add(made)
    assert held is not None
    return held


def _through(machine: Machine, made: Execution, random: Random, fails: str, *, upto: str = "") -> None:
    """Let an execution go its whole way at once, past all others: to its end, to what fails, or through one stage."""
    if fails:
        made.failing[fails] = 1
    at = made.started
    for position, stage in enumerate(made.pipeline.stages):
        if made.type == "ROLLBACK" and position != made.at:
            continue
        made.entered[stage.name], made.at, made.stage_status[stage.name] = at, position, "Succeeded"
        for order in sorted({action.order for action in stage.actions}):
            runs = [machine.run(made, stage, action, at) for action in stage.actions if action.order == order]
            for run in runs:
                if run.end is None:
                    run.end = at + random.uniform(60, 900)
                    run.summary, run.by = "looks well", user(random.choice(APPROVERS))
            at = max(run.end or at for run in runs)
            made.updated = at
            if any(run.outcome == "Failed" for run in runs):
                made.status, made.stage_status[stage.name] = "Failed", "Failed"
                return
        if stage.name == upto:
            return
    made.status = "Succeeded"
