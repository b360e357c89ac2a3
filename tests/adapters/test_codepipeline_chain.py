"""AWS's chain of credentials: it signs as the user's files say, and never asks on the terminal."""

from __future__ import annotations

import getpass
import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from adapters.awsrig import API, TOGETHER, Rig, failed, rig, runs_of, the_story
from quarterdeck_adapters.codepipeline import chain
from quarterdeck_lifecycle.errors import AuthFailed

pytestmark = TOGETHER


@pytest.fixture
async def hub(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Rig]:
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    async with rig(the_story()) as made:
        yield made


def written(home: Path, name: str, text: str) -> None:
    (home / ".aws").mkdir(exist_ok=True)
    (home / ".aws" / name).write_text(text)


async def test_a_profile_of_the_users_files_signs(hub: Rig, isolated_home: Path) -> None:
    keys = f"aws_access_key_id = {hub.aws.key}\naws_secret_access_key = {hub.aws.token}\n"
    written(isolated_home, "credentials", f"[ops]\n{keys}")
    source = hub.source(username=None, password=None, repos=(API,), options={"profile": "ops", "region": "eu-west-1"})
    assert await runs_of(source)
    other = hub.source(username=None, password=None, repos=(API,), options={"profile": "none", "region": "eu-west-1"})
    found = await failed(other.list("run"))
    assert isinstance(found, AuthFailed)
    assert "none" in found.why


async def test_a_code_is_never_asked_for_on_the_terminal(
    hub: Rig, isolated_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(getpass, "getpass", lambda prompt: pytest.fail(f"asked on the terminal: {prompt}"))
    written(isolated_home, "config", "\n".join((
        "[profile base]", f"aws_access_key_id = {hub.aws.key}", f"aws_secret_access_key = {hub.aws.token}",
        "[profile ops]", "role_arn = arn:aws:iam::123456789012:role/ops", "source_profile = base",
        "mfa_serial = arn:aws:iam::123456789012:mfa/ann", "region = eu-west-1",
    )))  # fmt: skip
    found = await failed(hub.source(username=None, password=None, options={"profile": "ops"}).list("run"))
    assert isinstance(found, AuthFailed)
    assert "mfa/ann" in found.why
    assert "aws sso login" in found.mend
    assert not hub.aws.calls


@pytest.mark.parametrize("behind", [False, True], ids=["itself", "behind a role"])
async def test_a_helper_has_neither_our_input_nor_our_terminal(
    hub: Rig, isolated_home: Path, monkeypatch: pytest.MonkeyPatch, behind: bool
) -> None:
    seen: list[dict[str, object]] = []

    class Recorded(chain.Helper):
        """Starts nothing."""

        def __init__(self, argv: list[str], **options: object) -> None:
            seen.append({"argv": argv, **options})
            self.returncode, self.pid = 0, 0

        def communicate(self, *_: object, **__: object) -> tuple[bytes, bytes]:
            login = {"Version": 1, "AccessKeyId": hub.aws.key, "SecretAccessKey": hub.aws.token}
            return json.dumps(login).encode(), b""

        def __del__(self) -> None:
            """There is no process to look after."""

    monkeypatch.setattr(chain, "Helper", Recorded)
    role = "[profile ops]\nrole_arn = arn:aws:iam::123456789012:role/ops\nsource_profile = base\n"
    plain = "[profile ops]\ncredential_process = helper --get x\n"
    base = "[profile base]\ncredential_process = helper --get x\n"
    written(isolated_home, "config", base + (role if behind else plain))
    source = hub.source(username=None, password=None, repos=(API,), options={"profile": "ops", "region": "eu-west-1"})
    if behind:  # the practice server gives no roles out: what matters is how the helper was started
        monkeypatch.setenv("AWS_ENDPOINT_URL_STS", hub.url)
        await failed(source.list("run"))
    else:
        assert await runs_of(source)
    assert seen[0]["argv"] == ["helper", "--get", "x"]


def test_a_helper_is_started_apart_and_ended_when_it_does_not_end(monkeypatch: pytest.MonkeyPatch) -> None:
    given: dict[str, object] = {}
    monkeypatch.setattr(chain.subprocess.Popen, "__init__", lambda self, argv, **options: given.update(options))
    monkeypatch.setattr(chain.subprocess.Popen, "__del__", lambda self: None)
    made = chain.Helper(["helper"])
    assert given == {"stdin": chain.subprocess.DEVNULL, "start_new_session": True}
    waits = iter((chain.subprocess.TimeoutExpired("helper", 1), (b"", b"")))

    def communicate(self: object, *_: object) -> object:
        found = next(waits)
        if isinstance(found, Exception):
            raise found
        return found

    ended: list[int] = []
    monkeypatch.setattr(chain.subprocess.Popen, "communicate", communicate)
    monkeypatch.setattr(chain.os, "killpg", lambda group, number: ended.append(group))
    made.pid = 4_000_000
    with pytest.raises(AuthFailed, match="did not end"):
        made.communicate()
    assert ended == [4_000_000]
