"""A project's file is data until it is trusted: a hostile one runs nothing and gets no credential."""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path

import pytest
from msgspec import structs

from quarterdeck_config.errors import UnsafeFolder
from quarterdeck_config.inert import inert
from quarterdeck_config.schema import ConfirmOptions
from quarterdeck_config.trust import Trust, digest, is_trusted, trust, trust_state, untrust

from .conftest import Ship

HOSTILE = """
environments: {prod: {protected: false}}
sources:
  - {name: gh, system: github, url: https://evil.example, repos: [a/b]}
  - {name: ml, system: mlflow, url: http://evil.example, plain_http: true, username: me, read_only: false,
     token: {command: [sh, -c, touch pwned]}, password: {file: ~/.ssh/id_rsa}}
  - {name: box, system: docker, url: ssh://evil.example, cert_file: a, key_file: b, credentials: true}
services:
  api:
    deployable: true
    environments: {prod: {targets: [{kind: container, source: box, name: x}], probe: {exec: [touch, pwned]}}}
    probe: {exec: [touch, pwned]}
    hooks: {pre: {argv: [touch, pwned]}, post: {argv: [touch, pwned]}}
  own:
    hooks: {pre: {argv: [touch, pwned]}}
commands: {go: {argv: [touch, pwned]}, mine: {argv: [touch, pwned]}}
pipelines: {build: {steps: [{name: one, argv: [touch, pwned]}]}}
keys: {container.remove: j}
confirm: {write_window: 10m}
"""
USER = """
environments: {prod: {protected: true}, dev: {}}
sources:
  - {name: gh, system: github, token: {env: GITHUB_TOKEN}}
services:
  own: {environments: {dev: {targets: [{kind: container, source: local, name: x}]}}}
  led: {environments: {dev: {targets: [{kind: container, source: box, name: x}]}}}
commands: {mine: {argv: [k9s]}}
confirm: {typed: [container.stop]}
"""


def test_hostile_project_is_inert(ship: Ship) -> None:
    ship.write(HOSTILE, trusted=False)
    loaded = ship.load()
    config = loaded.config
    assert not loaded.trusted
    assert loaded.problems == ()
    for source in config.sources:
        assert (source.token, source.password, source.username, source.key_file) == (None,) * 4
        assert (source.credentials, source.read_only, source.plain_http) == (False, True, False)
    assert all(not service.deployable for service in config.services.values())
    assert (config.commands, config.keys, config.confirm) == ({}, {}, ConfirmOptions())
    assert not config.pipelines["build"].runnable
    assert [(step.name, step.argv) for step in config.pipelines["build"].steps] == [("one", ())]
    assert "touch" not in repr(config)
    assert loaded.held_back == (
        "the confirm options are not used",
        "source gh gets no credential and stays read-only",
        "source ml gets no credential and stays read-only",
        "source ml: the token command is not run",
        "source box gets no credential and stays read-only",
        "service api is not deployed",
        "service api: the pre hook is not run",
        "service api: the post hook is not run",
        "service api: the exec probe is not run",
        "service own is not deployed",
        "service own: the pre hook is not run",
        "command go is not offered",
        "command mine is not offered",
        "key of container.remove is not rebound",
        "local pipeline build is not run",
    )
    assert loaded.notice == ("quarterdeck.yaml is not trusted: 15 things held back; read it, then: quarterdeck trust")


def test_untrusted_project_never_completes_what_is_the_users(ship: Ship) -> None:
    ship.write(HOSTILE, trusted=False)
    ship.write_user(USER)
    config = ship.load().config
    github = config.source("gh")
    assert github is not None
    assert github.url is None, "the user's token must not go to the project's host"
    assert github.token is not None
    assert (github.credentials, github.read_only) == (True, None)
    assert config.environments["prod"].protected
    assert config.services["own"].deployable
    assert config.services["own"].hooks.pre is None
    assert not config.services["led"].deployable, "it acts on a source of the project"
    assert config.commands["mine"].argv == ("k9s",)
    assert set(config.commands) == {"mine"}
    assert config.confirm == ConfirmOptions(typed=("container.stop",))


def test_trusted_project_completes_the_users(ship: Ship) -> None:
    ship.write(HOSTILE)
    ship.write_user(USER)
    loaded = ship.load()
    github = loaded.config.source("gh")
    assert github is not None
    assert github.url == "https://evil.example"
    assert loaded.held_back == ()
    assert loaded.notice == ""
    assert loaded.config.services["api"].deployable
    assert loaded.config.services["own"].hooks.pre is not None


def test_inert_without_owners_strips_everything_and_nothing_twice(ship: Ship) -> None:
    ship.write(HOSTILE)
    stripped, reasons = inert(ship.load().config)
    assert reasons
    again, _ = inert(stripped)
    assert again == stripped
    assert [s.name for s in stripped.sources] == ["gh", "ml", "box"]
    assert structs.asdict(stripped)["environments"], "what only describes stays"


def test_change_is_asked_again(ship: Ship) -> None:
    path = ship.write(HOSTILE)
    assert is_trusted(path, ship.env)
    path.write_text(HOSTILE + "# more\n")
    assert not is_trusted(path, ship.env)
    loaded = ship.load()
    assert not loaded.trusted
    assert "changed since you trusted it" in loaded.notice
    assert trust_state(path, loaded.sha256, ship.env) is Trust.CHANGED


def test_another_path_with_the_same_content_is_new(ship: Ship, tmp_path: Path) -> None:
    path = ship.write(HOSTILE)
    copy = tmp_path / "quarterdeck.yaml"
    copy.write_text(HOSTILE)
    link = tmp_path / "link.yaml"
    link.symlink_to(path)
    assert not is_trusted(copy, ship.env)
    assert is_trusted(link, ship.env), "the same file by another name"
    assert not is_trusted(tmp_path / "none.yaml", ship.env)


def test_what_was_shown_is_what_is_trusted(ship: Ship) -> None:
    path = ship.write(HOSTILE, trusted=False)
    with pytest.raises(ValueError, match="changed while you looked at it"):
        trust(path, ship.env, sha256=digest(b"something else"))
    assert trust(path, ship.env, sha256=digest(HOSTILE.encode())) == digest(HOSTILE.encode())
    assert untrust(path, ship.env)
    assert not untrust(path, ship.env)
    assert not is_trusted(path, ship.env)


def test_book_is_private_and_never_in_the_shared_state(ship: Ship, tmp_path: Path) -> None:
    env = {**ship.env, "QUARTERDECK_STATE": str(tmp_path / "shared")}
    path = ship.write(HOSTILE, trusted=False)
    trust(path, env)
    book = Path(ship.env["HOME"]) / ".local/state/quarterdeck/trust.json"
    assert not (tmp_path / "shared").exists()
    assert stat.S_IMODE(book.stat().st_mode) == 0o600
    assert stat.S_IMODE(book.parent.stat().st_mode) == 0o700
    assert list(json.loads(book.read_text())["files"]) == [os.path.realpath(path)]
    assert sorted(p.name for p in book.parent.iterdir()) == ["trust.json", "trust.lock"]


@pytest.mark.parametrize("mode", [0o770, 0o707, 0o720])
def test_folder_open_to_others_is_refused(ship: Ship, mode: int) -> None:
    path = ship.write(HOSTILE)
    folder = Path(ship.env["HOME"]) / ".local/state/quarterdeck"
    folder.chmod(mode)
    with pytest.raises(UnsafeFolder, match=r"writable by others.*chmod go-w"):
        trust(path, ship.env)
    assert not is_trusted(path, ship.env)
    loaded = ship.load()
    assert not loaded.trusted
    assert [problem.found for problem in loaded.problems] == ["trust that others could forge"]


def test_damaged_or_forgeable_book_is_not_believed(ship: Ship) -> None:
    path = ship.write(HOSTILE)
    book = Path(ship.env["HOME"]) / ".local/state/quarterdeck/trust.json"
    book.chmod(0o666)
    assert not is_trusted(path, ship.env)
    book.chmod(0o600)
    assert is_trusted(path, ship.env)
    book.write_text("{")
    assert not is_trusted(path, ship.env)
    with pytest.raises(UnsafeFolder, match="damaged"):
        trust(path, ship.env)
