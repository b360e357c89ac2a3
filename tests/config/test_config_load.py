"""What valid files say, and how the user's wins over the project's."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from quarterdeck_config.combine import combine
from quarterdeck_config.document import Node, Origin
from quarterdeck_config.load import load
from quarterdeck_config.schema import Probe, Series, Target

from .conftest import Ship

CONTRACT = """
environments: {prod: {protected: true, color: red}, staging: {}}
repositories: [., ~/src/*]
sources:
  - {name: gh, system: github, repos: [acme/fraud-api], token: {env: GITHUB_TOKEN}}
  - {name: prod-1, system: docker, environment: prod, url: ssh://ops@prod-1}
  - {name: reg, system: registry, url: http://127.0.0.1:5000}
  - {name: ml, system: mlflow, url: http://mlflow:5000, token: {keyring: mlflow}}
  - {name: prom, system: prometheus, url: http://prometheus:9090, series: {errors: 'sum(rate(http_requests_total{code=~"5.."}[1m]))'}}
services:
  fraud-api:
    repository: .
    image: 127.0.0.1:5000/team/fraud-api
    model: fraud@champion
    keep: 5
    environments:
      staging: {targets: [{kind: container, source: local, name: fraud-api}]}
      prod: {targets: [{kind: container, source: prod-1, name: fraud-api}, {kind: swarm, source: prod-2, name: fraud-api}], canary: prod-1, on_failure: rollback}
    probe: {http: http://127.0.0.1:8080/healthz, expect: 200, timeout: 2s, interval: 1s}
    gate: {passes: 3, within: 60s, soak: 30s}
    guards: [{source: prom, query: errors, max: 0.01, no_data: hold}]
    hooks: {pre: {argv: [./migrate], timeout: 60s}}
views: {night: {environments: [prod], filter: {containers: 'fraud|etl'}}}
"""  # noqa: E501


def test_no_file_is_an_empty_config(ship: Ship) -> None:
    loaded = ship.load()
    assert (loaded.config.sources, loaded.files, loaded.problems, loaded.trusted) == ((), (), (), True)


def test_the_documented_keys_load(ship: Ship) -> None:
    ship.write(CONTRACT)
    loaded = ship.load()
    config = loaded.config
    assert loaded.trusted
    assert loaded.errors == ()
    assert [str(problem) for problem in loaded.problems] == [
        "quarterdeck.yaml:18: services.fraud-api.environments.prod.targets[1].source: found the unknown source "
        "prod-2, expected a source that is configured or found: prod-1 (did you mean that?)"
    ]
    assert config.environments["prod"].protected
    assert config.environments["prod"].color == "red"
    assert config.repositories == (str(ship.project), f"{os.path.expanduser('~')}/src/*")
    assert [source.name for source in config.sources] == ["gh", "prod-1", "reg", "ml", "prom"]
    github, prometheus = config.source("gh"), config.source("prom")
    assert github is not None
    assert github.token is not None
    assert github.token.env == "GITHUB_TOKEN"
    assert prometheus is not None
    assert prometheus.series["errors"] == Series(query='sum(rate(http_requests_total{code=~"5.."}[1m]))')
    service = config.services["fraud-api"]
    assert service.environments["prod"].targets[1] == Target(kind="swarm", source="prod-2", name="fraud-api")
    assert service.probe == Probe(http="http://127.0.0.1:8080/healthz", timeout=2.0, interval=1.0)
    assert (service.gate.passes, service.gate.within, service.gate.soak) == (3, 60.0, 30.0)
    assert service.hooks.pre is not None
    assert service.hooks.pre.argv == ("./migrate",)
    assert service.deployable
    assert config.views["night"].filter == {"containers": "fraud|etl"}


def test_values_of_every_kind(ship: Ship) -> None:
    ship.write(
        """
environments: {prod: {freeze: end of quarter, approval: yes}, empty: }
sources:
  - &base {name: a, system: docker, interval: 1m30s, rate_share: 0.5, options: {depth: 2, tags: [x, y]}}
  - {<<: *base, name: b, thresholds: {cpu: {max: 90}}, series: {p95: {query: q, unit: ms, max: 300}}}
services:
  s:
    probe: none
    environments: {empty: {targets: [{kind: alias, source: a, name: m@champion}], probe: {tcp: "127.0.0.1:80"}}}
models: {fraud: {primary_metric: auc, direction: max}}
commands: {shell: {argv: [k9s, --context, prod], scopes: [container], dangerous: true}}
keys: {container.restart: ctrl+r}
slow_link: on
theme: deck-light
themes: {mine: {primary: "#123456"}}
confirm: {write_window: 5m, typed: [container.stop]}
secret_names: ["*_LICENCE"]
"""
    )
    loaded = ship.load()
    config = loaded.config
    assert loaded.problems == ()
    freeze = config.environments["prod"].freeze
    assert freeze is not None
    assert freeze.reason == "end of quarter"
    assert [(s.name, s.interval, s.rate_share) for s in config.sources] == [("a", 90.0, 0.5), ("b", 90.0, 0.5)]
    assert config.sources[0].options == {"depth": 2, "tags": ("x", "y")}
    assert config.sources[1].thresholds["cpu"].max == 90.0
    assert config.services["s"].probe == "none"
    assert config.services["s"].environments["empty"].probe == Probe(tcp="127.0.0.1:80")
    assert config.slow_link is True
    assert config.confirm.write_window == 300.0


def test_user_wins_key_by_key(ship: Ship) -> None:
    ship.write(
        """
environments: {prod: {protected: false, color: red}}
repositories: [a, b]
theme: deck-light
sources:
  - {name: one, system: mlflow, url: http://one:1, token: {env: A}}
  - {name: two, system: docker}
"""
    )
    ship.write_user(
        """
environments: {prod: {protected: true}}
repositories: [/c]
sources:
  - {name: three, system: git}
  - {name: one, system: mlflow, token: {keyring: mine}}
"""
    )
    config = ship.load().config
    assert config.environments["prod"].protected
    assert config.environments["prod"].color == "red"
    assert config.repositories == ("/c",)
    assert config.theme == "deck-light"
    assert [(s.name, s.url) for s in config.sources] == [("one", "http://one:1"), ("two", None), ("three", None)]
    token = config.sources[0].token
    assert token is not None
    assert (token.kind, token.env) == ("keyring", None)


def test_problems_name_the_place_in_their_own_file(ship: Ship) -> None:
    ship.write("sources:\n  - {name: one, system: docker}\n  - {name: two, system: docker}\n")
    ship.write_user("sources:\n  - {name: new, system: docker, interval: 5}\n")
    assert ship.messages() == [
        f"{ship.env['HOME']}/.config/quarterdeck/config.yaml:2: sources[0].interval: found the number 5, "
        "expected a duration with its unit, such as 500ms, 2s, 10m or 1h30m".replace(ship.env["HOME"], "~")
    ]


def test_project_file_is_found_up_to_the_git_root_and_no_further(tmp_path: Path) -> None:
    (tmp_path / "quarterdeck.yaml").write_text("theme: outside\n")
    inside = tmp_path / "repo/a/b"
    inside.mkdir(parents=True)
    env = {"HOME": str(tmp_path / "nobody")}
    assert load(inside, env=env).project is None
    (tmp_path / "repo/.git").mkdir()
    assert load(inside, env=env).project is None
    (tmp_path / "repo/quarterdeck.yaml").write_text("theme: deck-light\n")
    loaded = load(inside, env=env)
    assert loaded.project == tmp_path / "repo/quarterdeck.yaml"
    assert loaded.config.theme == "deck-light"


def test_named_file_takes_the_place_of_the_project(ship: Ship) -> None:
    ship.write("theme: deck-light\n")
    other = ship.project / "other.yaml"
    other.write_text("theme: deck-dark\n")
    assert load(ship.project, config=other, env=ship.env).config.theme == "deck-dark"
    missing = load(ship.project, config=ship.project / "no.yaml", env=ship.env)
    assert [str(problem) for problem in missing.problems] == [
        "no.yaml: found a file that cannot be read (no such file or directory), expected a readable file"
    ]


def test_no_yaml_is_imported_without_a_file(ship: Ship) -> None:
    code = (
        "import sys\nfrom quarterdeck_config.load import load\nload()\n"
        "print(sorted(m for m in ('yaml','httpx','textual','rich','keyring','subprocess') if m in sys.modules))"
    )
    env = {**ship.env, "PYTHONPATH": os.pathsep.join(sys.path)}
    shown = subprocess.run(
        [sys.executable, "-S", "-c", code], cwd=ship.project, env=env, capture_output=True, text=True, timeout=60
    )
    assert (shown.stdout.strip(), shown.stderr) == ("[]", "")


_HERE = Origin("t", Path("/"))
_TREES = st.recursive(
    st.integers() | st.text(max_size=3),
    lambda below: st.dictionaries(st.sampled_from("abcd"), below, max_size=4) | st.lists(below, max_size=3),
    max_leaves=12,
)


def _tree(value: object) -> Node:
    if isinstance(value, dict):
        return Node({key: _tree(below) for key, below in value.items()}, _HERE, 1)
    if isinstance(value, list):
        return Node([_tree(below) for below in value], _HERE, 1)
    assert isinstance(value, (int, str))
    return Node(value, _HERE, 1)


def _plain(node: Node) -> object:
    if isinstance(node.value, dict):
        return {key: _plain(below) for key, below in node.value.items()}
    return [_plain(below) for below in node.value] if isinstance(node.value, list) else node.value


def _leaves(value: object, path: tuple[str, ...] = ()) -> dict[tuple[str, ...], object]:
    if isinstance(value, dict) and value:
        return {p: v for key, below in value.items() for p, v in _leaves(below, (*path, key)).items()}
    return {path: value}


_MAPPINGS = st.dictionaries(st.sampled_from("abcd"), _TREES, max_size=4)


@given(_MAPPINGS, _MAPPINGS)
def test_whatever_the_user_says_is_said(project: dict[str, object], user: dict[str, object]) -> None:
    merged = _plain(combine(_tree(project), _tree(user), trusted=True))
    assert isinstance(merged, dict)
    assert set(merged) == set(project) | set(user)
    found = _leaves(merged)
    for path, value in _leaves(user).items():
        if value != {}:
            assert found[path] == value
    for path, value in _leaves(project).items():
        assert found.get(path, value) == value or any(user_path[: len(path)] == path for user_path in _leaves(user))


@given(_MAPPINGS)
def test_merging_with_nothing_or_itself_changes_nothing(tree: dict[str, object]) -> None:
    assert _plain(combine(_tree(tree), _tree({}), trusted=True)) == tree
    assert _plain(combine(_tree(tree), _tree(tree), trusted=True)) == tree
