"""A commit that a real Buildbot built, a registry keeps and an engine runs, with the model that a run of it trained.

The config names the service, the engine of its environment, and the address of Buildbot, which is not at the port that
is looked for; repository, registry and MLflow are found. The whole thread must be found from each of its hops.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner

from parts.buildbot_server import PASSES, BuildbotServer
from parts.deckworld import environment, quarterdeck
from parts.engine import Engine
from parts.mlflow_server import MlflowServer
from parts.process import wait_until
from parts.registry import Registry
from quarterdeck.grammar import cli


@pytest.fixture(autouse=True)
def busy_server(monkeypatch: pytest.MonkeyPatch) -> None:
    """An MLflow server where others train, too: the listing of what ended does not reach back to this run."""
    monkeypatch.setattr("quarterdeck_adapters.mlflow.runs.ENDED", 1)


pytestmark = pytest.mark.real("docker.io", "docker-registry", "mlflow", "buildbot")
SERVICE, MODEL, PLACE = "fraud-api", "fraud-live", "prod"
REVISION, SOURCE = "org.opencontainers.image.revision", "org.opencontainers.image.source"
ORIGIN = "https://git.example/team/fraud-api"
HOPS = ("commit", "run", "image", "container", "service", "version", "training")


@dataclass
class Story:
    """What happened, told by the systems and never by the program: the words for each hop, and the refs at each."""

    home: Path
    env: dict[str, str]
    repository: Path
    words: dict[str, str]
    thread: dict[str, set[str]]
    traced: dict[str, tuple[int, Any]] = field(default_factory=dict)

    def command(self, *arguments: str) -> tuple[int, Any]:
        """A command in this process; its exit code and what it printed as JSON."""
        with contextlib.chdir(self.repository):
            done = CliRunner().invoke(cli, [*arguments, "--json"], env=environment(self.home, self.env))
        assert done.stdout, (arguments, done.stderr, done.exception)
        return done.exit_code, json.loads(done.stdout)

    def trace(self, hop: str) -> tuple[int, Any]:
        """The thread of a hop, asked for once."""
        if hop not in self.traced:
            self.traced[hop] = self.command("trace", self.words[hop])
        return self.traced[hop]


class Works:
    """The systems, and what a team does with them."""

    def __init__(self, engine: Engine, registry: Registry, mlflow: MlflowServer, buildbot: BuildbotServer) -> None:
        self.engine, self.registry, self.mlflow, self.buildbot = engine, registry, mlflow, buildbot
        self.image = f"{registry.address}/team/{SERVICE}"
        self.ended = 0

    def build(self, sha: str) -> int:
        """Let Buildbot build a commit to its end; the id of the request."""
        self.buildbot.push(sha)

        def built() -> int | None:
            for build in self.buildbot.get("builds", complete="true", property="got_revision")["builds"]:
                if build["properties"].get("got_revision", [""])[0] == sha and build["results"] == 0:
                    return int(build["buildrequestid"])
            return None

        found = wait_until(built, "the build of the commit")
        assert found is not None
        return found

    def push(self, tag: str, sha: str, version: str) -> str:
        """Make and push the image of a commit that serves a version; the digest that the registry gave it."""
        labels = {REVISION: sha, SOURCE: ORIGIN, "quarterdeck.model_uri": f"models:/{MODEL}/{version}"}
        self.engine.image(f"{self.image}:{tag}", labels, files={"/srv/revision": sha})
        said = list(self.engine.api.push(f"{self.image}:{tag}", stream=True, decode=True))
        assert not [line["error"] for line in said if "error" in line], said
        return next(str(line["aux"]["Digest"]) for line in said if "aux" in line)

    def train(self, sha: str) -> tuple[str, str]:
        """A finished run of a commit, and the version that was registered from it."""
        tags = [{"key": "mlflow.source.git.commit", "value": sha}, {"key": "mlflow.runName", "value": "train"}]
        run = self.mlflow.call("POST", "runs/create", json={"experiment_id": "0", "tags": tags})["run"]
        id = str(run["info"]["run_id"])
        self.ended += 1
        self.mlflow.call("POST", "runs/update", json={"run_id": id, "status": "FINISHED", "end_time": self.ended})
        body = {"name": MODEL, "source": f"runs:/{id}/model", "run_id": id}
        return id, str(self.mlflow.call("POST", "model-versions/create", json=body)["model_version"]["version"])

    def configure(self, home: Path) -> dict[str, str]:
        """The operator's config and variables."""
        target = {"kind": "container", "source": "prod-1", "name": SERVICE}
        probe = {"exec": ["test", "-s", "/srv/revision"], "interval": "50ms"}
        service = {
            "image": self.image, "probe": probe, "gate": {"passes": 1, "within": "20s", "soak": "0s"},
            "environments": {PLACE: {"targets": [target]}},
        }  # fmt: skip
        engine = {"name": "prod-1", "system": "docker", "environment": PLACE, "url": self.engine.url}
        ci = {"name": "ci", "system": "buildbot", "url": self.buildbot.url}
        config = {
            "environments": {PLACE: {"protected": True}}, "sources": [engine, ci], "services": {SERVICE: service},
            "releases": {"heartbeat": "200ms", "lease": "3s"},
        }  # fmt: skip
        path = home / "xdg" / "quarterdeck" / "config.yaml"
        path.parent.mkdir(parents=True)
        path.write_text(yaml.safe_dump(config))
        return {**self.engine.env, "MLFLOW_TRACKING_URI": self.mlflow.url, "XDG_CONFIG_HOME": str(home / "xdg")}


@pytest.fixture(scope="module")
def story(
    engine: Engine, registry: Registry, mlflow: MlflowServer, buildbot: BuildbotServer,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Story]:  # fmt: skip
    home = tmp_path_factory.mktemp("operator")
    for part in (engine, registry):  # a test before may have stopped them
        part.start()
    engine.clear()
    buildbot.clear()
    works = Works(engine, registry, mlflow, buildbot)
    mlflow.call("POST", "registered-models/create", json={"name": MODEL})
    older = buildbot.commit(PASSES, "score by rules")
    sha = buildbot.commit(PASSES, "score by a model")
    _, first = works.train(older)
    run, version = works.train(sha)
    request = works.build(sha)
    old_digest = works.push("1.0", older, first)
    digest = works.push("1.1", sha, version)
    engine.run(f"{works.image}:1.0", name=SERVICE)
    env = works.configure(home)
    done = quarterdeck(
        "deploy", SERVICE, "1.1", "--env", PLACE, "--yes", "--confirm", SERVICE, "--reason", "the model", "--json",
        home=home, env=env, cwd=buildbot.repository,
    )  # fmt: skip
    assert done.code == 0, (done.out, done.err)
    newer = buildbot.commit(PASSES, "score twice")
    works.train("0" * 40)
    box = engine.api.inspect_container(SERVICE)["Id"]
    words = {
        "commit": sha, "run": f"ci/run/{request}", "image": digest, "container": f"prod-1/container/{box}",
        "service": f"services/service/{SERVICE}@{PLACE}", "version": f"model:{MODEL}/{version}", "training": run,
        "older": older, "newer": newer, "old image": old_digest, "old version": f"model:{MODEL}/{first}",
    }  # fmt: skip
    id = engine.api.inspect_image(f"{works.image}:1.1")["Id"]
    commit, runs = {f"-/commit/{sha}"}, {words["run"]}
    thread = {
        "commit": commit, "run": runs,
        "image": {f"prod-1/image/{id}", f"registry/tag/team%2F{SERVICE}:1.1"},
        "workload": {words["container"], words["service"]},
        "model_version": {f"mlflow/version/{MODEL}%2F{version}"}, "training_run": {f"mlflow/training_run/{run}"},
        "training_pipeline": runs, "training_commit": commit,
    }  # fmt: skip
    yield Story(home, env, buildbot.repository, words, thread)
    engine.clear()


@pytest.mark.parametrize("hop", HOPS)
def test_the_whole_thread_is_found_from_each_of_its_hops(story: Story, hop: str) -> None:
    code, found = story.trace(hop)
    assert code == 0
    told = {each["hop"]: {thing["ref"] for thing in each["things"]} for each in found["hops"]}
    assert {name: told[name] for name in story.thread} == story.thread
    (release,) = told["release"]
    assert release.startswith("services/operation/")
    assert {thing["guess"] for each in found["hops"] for thing in each["things"]} == {False}
    assert {link["guess"] for link in found["links"]} == {False}
    assert all(link["evidence"] for link in found["links"])
    begun, refs = set(found["begin"]), set().union(*told.values())
    assert begun <= refs
    assert all(thing["evidence"] or thing["ref"] in begun for each in found["hops"] for thing in each["things"])
    assert {each["hop"] for each in found["hops"] if each["gap"]} <= {"change_request", "signal"}


def test_the_evidence_is_what_the_systems_say(story: Story) -> None:
    _, found = story.trace("container")
    sha, digest = story.words["commit"][:10], story.words["image"][:19]
    said = {(link["from_hop"], link["to_hop"], link["evidence"]) for link in found["links"]}
    assert said >= {
        ("commit", "run", f"commit {sha}: got_revision of the build"),
        ("commit", "workload", f"commit {sha}: label {REVISION}"),
        ("workload", "workload", f"target prod-1/{SERVICE}: its name = target of the service in the config"),
        ("workload", "model_version",
         f"version {MODEL}/2: label quarterdeck.model_uri (declared) = MLflow's model registry"),
        ("training_run", "training_commit", f"commit {sha}: run tag mlflow.source.git.commit"),
    }  # fmt: skip
    (pushed,) = (words for one, other, words in said if one == other == "image")
    assert pushed.startswith(f"digest {digest}: Docker-Content-Digest of ")
    assert " = repository digest " in pushed
    assert any(words.endswith("the operation itself = label quarterdeck.op") for _, _, words in said)


@pytest.mark.parametrize(("asked", "code", "state", "words"), [
    ("commit", 0, "running", SERVICE),
    ("older", 0, "running", f"{SERVICE}, inside {{}}, 1 commit later"),
    ("newer", 1, "not there", f"{SERVICE} runs {{}}, 1 commit before"),
    ("old image", 1, "superseded", "is exited"),
    ("old version", 1, "superseded", "is exited"),
])  # fmt: skip
def test_where_each_of_them_runs(story: Story, asked: str, code: int, state: str, words: str) -> None:
    ended, found = story.command("where", story.words[asked], "--in", PLACE)
    (there,) = found["environments"]
    assert (ended, there["environment"], there["state"], there["guess"]) == (code, PLACE, state, False)
    assert there["message"].endswith(words.format(story.words["commit"][:10]))
