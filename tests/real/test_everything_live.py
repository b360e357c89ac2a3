"""A machine with a real engine, registry, MLflow, Prometheus and repository: no config, and all of it is live."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from parts import gitrepo
from parts.deckworld import COMMAND, environment, quarterdeck
from parts.engine import Engine
from parts.mlflow_server import MlflowServer
from parts.process import wait_until
from parts.prom import Exporter, Prometheus
from parts.registry import Registry
from parts.terminal import Terminal

pytestmark = [pytest.mark.tmux, pytest.mark.real("docker.io", "docker-registry", "prometheus", "mlflow")]
APPEARS_S = 60.0
"""Registry and MLflow are asked every 30 s; the rest of it is patience with a busy machine."""


@dataclass
class Machine:
    """What an engineer finds on the machine, and what others do to it."""

    engine: Engine
    registry: Registry
    mlflow: MlflowServer
    prometheus: Prometheus
    exporter: Exporter
    repository: Path

    @property
    def env(self) -> dict[str, str]:
        """The variables by which every such tool finds these systems; nothing of quarterdeck's own."""
        return {
            **self.engine.env,
            "MLFLOW_TRACKING_URI": self.mlflow.url,
            "PROMETHEUS_URL": self.prometheus.url,
        }

    def push(self, tag: str) -> str:
        """Build a version of the service and push it; answers its reference."""
        reference = f"{self.registry.address}/team/fraud-api:{tag}"
        self.engine.image(reference, files={"/srv/version": tag})
        said = list(self.engine.api.push(reference, stream=True, decode=True))
        assert not [line["error"] for line in said if "error" in line], said
        return reference

    def version(self) -> str:
        """Register a version of the model; answers its number."""
        experiment = "0"
        run = self.mlflow.call("POST", "runs/create", json={"experiment_id": experiment, "run_name": "train"})
        id = run["run"]["info"]["run_id"]
        self.mlflow.call("POST", "runs/log-metric", json={"run_id": id, "key": "auc", "value": 0.93, "timestamp": 1})
        self.mlflow.call("POST", "runs/update", json={"run_id": id, "status": "FINISHED"})
        body = {"name": "fraud", "source": f"runs:/{id}/model", "run_id": id}
        made = self.mlflow.call("POST", "model-versions/create", json=body)
        return str(made["model_version"]["version"])

    def alias(self, version: str) -> None:
        """Point the alias champion at a version."""
        body = {"name": "fraud", "alias": "champion", "version": version}
        self.mlflow.call("POST", "registered-models/alias", json=body)


@pytest.fixture
def machine(fresh_engine: Engine, tmp_path: Path) -> Iterator[Machine]:
    # Servers of its own: what other tests left in the shared ones would be on the screen, and these rows in theirs.
    repository = gitrepo.repository(tmp_path / "fraud-api")
    with Registry() as registry, MlflowServer() as mlflow, Prometheus() as prometheus, Exporter() as exporter:
        made = Machine(fresh_engine, registry, mlflow, prometheus, exporter, repository)
        exporter.set("http_requests_total", 1000, {"code": "200"})
        prometheus.configure({"fraud-api": [exporter.address]})
        made.engine.run(made.push("v1"), name="fraud-api")
        mlflow.call("POST", "registered-models/create", json={"name": "fraud"})
        made.alias(made.version())
        prometheus.wait_for("http_requests_total")
        yield made


def test_all_of_it_is_live_without_a_config_and_what_others_do_appears_by_itself(
    machine: Machine, open_terminal: Callable[..., Terminal], isolated_home: Path
) -> None:
    env = environment(isolated_home, machine.env)
    terminal = open_terminal(COMMAND, 160, 45, env, machine.repository)
    for live in (r"1 Repos 1 .*●", r"3 Containers 1 .*(●|○)", r"4 Models 1 .*○", r"5 Metrics [1-9].*○"):
        terminal.wait_for(re.compile(live))
    terminal.wait_for("add a file")
    terminal.wait_for(re.compile(r"fraud\s+v1\s+@champion"))
    terminal.send_keys("3", "]", "]", "]")
    terminal.wait_for("team/fraud-api:v1")
    terminal.send_keys("[", "[", "[")

    status = json_status(machine, isolated_home)
    assert {source["system"] for pane in status.values() for source in pane["sources"]} == {
        "git", "docker", "registry", "mlflow", "prometheus", "host", "quarterdeck",
    }  # fmt: skip
    assert {name: pane["state"] for name, pane in status.items()} == {
        "repositories": "FRESH", "pipelines": "NONE", "containers": "FRESH", "models": "FRESH", "metrics": "FRESH",
    }  # fmt: skip

    machine.engine.run(f"{machine.registry.address}/team/fraud-api:v1", name="newcomer")
    sha = gitrepo.commit(machine.repository, "score.py", "def score(): ...\n", "score faster")
    machine.push("v2")
    number = machine.version()
    machine.alias(number)

    terminal.wait_for("newcomer", APPEARS_S)
    terminal.wait_for("score faster", APPEARS_S)
    terminal.wait_for(re.compile(rf"fraud\s+v{number}\s+@champion"), APPEARS_S)
    wanted = {
        ("container", "new"): "newcomer",
        ("repository", "head"): sha[:7],
        ("tag", "new"): "v2",
        ("version", "new"): number,
        ("model", "alias champion"): number,
    }
    try:
        seen = wait_until(lambda: changes(machine, isolated_home, wanted), "all five in the changes", APPEARS_S)
    except TimeoutError as error:
        text = quarterdeck("changes", home=isolated_home, env=machine.env).out
        raise AssertionError(f"{error}: {wanted}\n{text}\n{terminal.capture()}") from None
    assert {row["by"] for row in seen} == {"outside"}

    terminal.send_keys("]", "]", "]")
    terminal.wait_for("team/fraud-api:v2")
    terminal.send_keys("c")
    screen = terminal.wait_for(lambda screen: all(word in screen for word in (*wanted.values(), "champion")))
    assert "by us" not in screen
    machine.engine.api.rename(machine.engine.api.inspect_container("newcomer")["Id"], "settled")
    machine.engine.api.remove_container("settled", force=True)
    terminal.wait_for(re.compile(r"newcomer.*gone|settled.*gone"), APPEARS_S)

    terminal.resize(80, 24)
    terminal.send_keys("Escape")
    small = r"^1 Repos 1 .*● live$(?s:.*)^[┌┏]3 Containers(?s:.*)^4 Models 2 .*○ 30s$"
    terminal.wait_for(re.compile(small, re.MULTILINE))
    terminal.send_keys("q")
    assert terminal.wait_exit() == 0


def json_status(machine: Machine, home: Path) -> dict[str, Any]:
    """What `quarterdeck status --json` says there, which ends with 0."""
    done = quarterdeck("status", "--json", home=home, cwd=machine.repository, env=machine.env)
    assert done.code == 0, (done.out[-2000:], done.err)
    found: dict[str, Any] = done.json
    return found


def changes(machine: Machine, home: Path, wanted: dict[tuple[str, str], str]) -> list[dict[str, Any]] | None:
    """The changes of these kinds that hold these words, once there is one of each."""
    rows = quarterdeck("changes", "--json", home=home, cwd=machine.repository, env=machine.env).lines
    found = [
        next((row for row in rows if (row["kind"], row["what"]) == key and word in str(list(row.values()))), None)
        for key, word in wanted.items()
    ]
    return None if None in found else [row for row in found if row is not None]
