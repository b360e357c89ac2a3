"""Finding GitHub by remotes, a token by what the user keeps, and what a token may do. Nothing goes over the network."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from adapters.ghrig import API, MODEL, Rig, rig
from parts.practice import practice_story
from quarterdeck_adapters.base import Candidate, Context, SourceConfig
from quarterdeck_adapters.github import discovery, stored
from quarterdeck_adapters.github.adapter import GithubSource
from quarterdeck_adapters.github.discovery import discover
from quarterdeck_adapters.github.probing import Rights, remarks, scopes_of
from quarterdeck_config.schema import Config, SecretRef
from quarterdeck_config.secrets import resolve
from quarterdeck_demo.messages import Request, Response
from quarterdeck_demo.story import Story
from quarterdeck_lifecycle.errors import AuthFailed, Unsupported


@pytest.fixture(scope="module")
def story() -> Iterator[Story]:
    with practice_story() as made:
        yield made


@pytest.fixture
async def hub(story: Story) -> AsyncIterator[Rig]:
    async with rig(story) as made:
        yield made


class Place:
    """A project folder, and programs of its own before the machine's on PATH."""

    def __init__(self, folder: Path) -> None:
        self.project = folder / "project"
        self.bin = folder / "bin"
        self.bin.mkdir()
        self.env = {**os.environ, "PATH": f"{self.bin}:{os.environ['PATH']}"}
        self.tool("gh", "exit 1")

    def tool(self, name: str, script: str) -> None:
        file = self.bin / name
        file.write_text(f"#!/bin/sh\n{script}\n")
        file.chmod(0o755)

    def remotes(self, **urls: str) -> None:
        self.project.mkdir(exist_ok=True)
        self.git("init", "-q")
        for name, url in urls.items():
            self.git("remote", "add", name, url)

    def git(self, *words: str) -> None:
        subprocess.run(["git", "-C", str(self.project), *words], check=True, env=self.env)

    async def found(self, **env: str) -> list[Candidate]:
        context = Context(
            secret=lambda ref: "", env={**self.env, **env}, config=Config(), project=str(self.project)
        )
        return list(await discover(context))


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


async def test_the_remotes_name_the_repositories(place: Place) -> None:
    place.remotes(
        origin="git@github.com:acme/fraud-api.git", upstream="https://user:pw@github.com/other/fraud-api",
        other="https://gitlab.com/a/b", port="ssh://git@ssh.github.com:443/acme/etl.git", here="/srv/git/x.git",
    )  # fmt: skip
    (candidate,) = await place.found(GH_TOKEN="x")
    assert set(candidate.source.repos) == {"acme/fraud-api", "other/fraud-api", "acme/etl"}
    assert (candidate.source.name, candidate.source.system, candidate.source.url) == ("github", "github", None)
    assert candidate.source.token == SecretRef(env="GH_TOKEN")
    assert (candidate.answered, candidate.why) == (None, "")
    assert "token in GH_TOKEN" in candidate.evidence


async def test_without_a_repository_on_github_there_is_nothing(place: Place) -> None:
    place.project.mkdir()
    assert await place.found(GH_TOKEN="x") == []
    place.remotes(origin="https://gitlab.com/a/b")
    assert await place.found(GH_TOKEN="x", GH_HOST="ghe.acme.example") == []


async def test_the_order_of_tokens(place: Place) -> None:
    place.remotes(origin="https://github.com/acme/fraud-api")
    (candidate,) = await place.found(GITHUB_TOKEN="y", GH_TOKEN=" ")
    assert candidate.source.token == SecretRef(env="GITHUB_TOKEN")
    (candidate,) = await place.found()
    assert candidate.source.token is None
    assert "gh auth login" in candidate.why
    place.tool("gh", '[ "$1 $2" = "auth token" ] && echo gho_kept')
    (candidate,) = await place.found()
    assert candidate.source.token == SecretRef(command=("gh", "auth", "token"))


async def test_an_enterprise_server_is_found_by_gh_host_and_gets_its_own_token_alone(place: Place) -> None:
    place.remotes(origin="git@ghe.acme.example:acme/fraud-api.git", mirror="https://github.com/acme/fraud-api")
    found = await place.found(GH_HOST="ghe.acme.example", GH_TOKEN="x", GH_ENTERPRISE_TOKEN="e")
    by_url = {each.source.url: each.source for each in found}
    assert by_url["https://ghe.acme.example/api/v3"].token == SecretRef(env="GH_ENTERPRISE_TOKEN")
    assert by_url[None].token == SecretRef(env="GH_TOKEN")
    found = await place.found(GH_HOST="ghe.acme.example", GH_TOKEN="x")
    assert {each.source.url: each.source.token for each in found} == {
        "https://ghe.acme.example/api/v3": None, None: SecretRef(env="GH_TOKEN"),
    }  # fmt: skip
    place.tool("gh", '[ "$3 $4" = "--hostname ghe.acme.example" ] && echo kept')
    found = await place.found(GH_HOST="ghe.acme.example")
    assert found[1].source.token == SecretRef(command=("gh", "auth", "token", "--hostname", "ghe.acme.example"))


async def test_a_program_that_hangs_holds_nothing(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    place.remotes(origin="https://github.com/acme/fraud-api")
    monkeypatch.setattr(discovery, "DEADLINE_S", 0.3)
    place.tool("gh", "exec sleep 60")
    (candidate,) = await place.found()
    assert candidate.source.token is None


async def test_what_git_keeps_is_read_by_a_command_that_never_prompts(place: Place, tmp_path: Path) -> None:
    place.remotes(origin="https://github.com/acme/fraud-api")
    kept = tmp_path / "kept"
    kept.write_text("https://me:ghp_kept@github.com\n")
    (Path(place.env["HOME"]) / ".gitconfig").write_text(f"[credential]\n\thelper = store --file={kept}\n")
    (candidate,) = await place.found()
    ref = candidate.source.token
    assert ref is not None
    assert ref.command == (sys.executable, "-I", "-m", "quarterdeck_adapters.github.stored", "github.com")
    assert "password that git keeps" in candidate.evidence
    assert resolve(ref, env=place.env).reveal() == "ghp_kept"


async def test_a_helper_of_the_repository_itself_is_not_run(place: Place, tmp_path: Path) -> None:
    place.remotes(origin="https://github.com/acme/fraud-api")
    mark = tmp_path / "ran"
    helper = f"!touch {mark}; echo password=evil"
    place.git("config", "credential.helper", helper)
    (candidate,) = await place.found()
    assert candidate.source.token is None
    assert not mark.exists()


def test_git_s_answer_is_read_for_its_password() -> None:
    assert stored.password_in(b"protocol=https\nhost=github.com\nusername=me\npassword=a=b\n") == "a=b"
    assert stored.password_in(b"username=me\n") == ""
    assert stored.question("github.com") == b"protocol=https\nhost=github.com\n\n"
    assert stored.environment({"GIT_DIR": "/x", "A": "b"})["GIT_TERMINAL_PROMPT"] == "0"
    assert "GIT_DIR" not in stored.environment({"GIT_DIR": "/x"})


def test_what_scopes_tell() -> None:
    assert scopes_of(None) is None
    assert scopes_of("repo, gist") == ["repo", "gist"]
    assert remarks(["repo"], signed_in=True) == []
    assert "admin:org, delete_repo" in remarks(["repo", "admin:org", "delete_repo"], signed_in=True)[0]
    assert "no scope repo" in remarks([], signed_in=True)[0]
    assert remarks(None, signed_in=True) == []
    rights = Rights()
    rights.learn(["gist"], signed_in=True)
    assert rights.denied("run.cancel", API) == "the token lacks the scope repo"
    rights.learn(None, signed_in=True)
    rights.roles[API] = False
    assert rights.denied("run.cancel", API) == f"your role in {API} only reads"
    assert rights.denied("pull_request.approve", API) is None
    assert rights.denied("run.cancel", MODEL) is None


async def test_probe_reads_the_scopes_and_the_end_of_a_token(hub: Rig) -> None:
    async def app(request: Request) -> Response:
        answer = await hub.github.handler(request)
        if request.path == "/user":
            answer.headers["X-OAuth-Scopes"] = "gist, admin:org"
            answer.headers["GitHub-Authentication-Token-Expiration"] = "2026-12-01 00:00:00 UTC"
            answer.headers["X-GitHub-Enterprise-Version"] = "3.17.2"
        return answer

    hub.app = app
    source = hub.source()
    found = await source.probe()
    assert set(found.can.values()) == {"the token lacks the scope repo"}
    assert found.version == "Enterprise 3.17.2"
    text = "\n".join(found.warnings)
    assert "gist" in text
    assert "admin:org" in text
    assert "the token ends 2026-12-01" in text
    row = (await source.list("run")).rows[0]
    assert source.actions["run.trigger"].permitted(row) == "the token lacks the scope repo"


async def test_a_token_does_not_travel_in_the_clear() -> None:
    config = SourceConfig(
        name="gh", system="github", url="http://ghe.acme.example/api/v3", repos=("a/b",), token=SecretRef(env="T")
    )
    context = Context(secret=lambda ref: "ghp_x", env={}, config=Config(), project="/")
    source = GithubSource(config, context)
    with pytest.raises(AuthFailed, match="plain http"):
        await source.list("run")
    await source.close()


def test_an_address_that_is_none_is_said() -> None:
    context = Context(secret=lambda ref: "", env={}, config=Config(), project="/")
    with pytest.raises(Unsupported, match=r"https://HOST/api/v3"):
        GithubSource(SourceConfig(name="gh", system="github", url="ssh://ghe.acme.example", repos=("a/b",)), context)
