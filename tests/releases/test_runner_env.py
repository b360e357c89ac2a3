"""What a runner takes along, what would die with the operator's login, and what a release outlives here."""

from pathlib import Path

import pytest

from parts.sshd import Sshd
from quarterdeck.releasing.environ import forwarded_agent, runner_env, secret_names
from quarterdeck.releasing.linkless import argv, refuse_agent_only
from quarterdeck.releasing.outliving import Host, outlives, prefix, this_host
from quarterdeck_config.schema import Config, SecretRef, Source, Webhook
from quarterdeck_lifecycle.errors import Refused

LINK = {"SSH_CONNECTION": "203.0.113.7 50000 10.0.0.1 22"}
FORWARDED = {**LINK, "SSH_AUTH_SOCK": "/tmp/ssh-XXXXabcd/agent.4711"}


def test_a_runner_takes_along_what_it_needs_and_no_more() -> None:
    env = {
        "HOME": "/home/ana", "PATH": "/usr/bin", "QUARTERDECK_STATE": "/s", "XDG_CONFIG_HOME": "/c", "DOCKER_HOST": "x",
        "MLFLOW_TRACKING_TOKEN": "t", "ML_TOKEN": "t", "DATABASE_PASSWORD": "no", "PYTHONPATH": "/evil",
        "LD_PRELOAD": "/evil.so", "TERM": "xterm", **LINK,
    }  # fmt: skip
    taken = runner_env(env, {"ML_TOKEN"})
    assert set(env) - set(taken) == {"DATABASE_PASSWORD", "PYTHONPATH", "LD_PRELOAD", "TERM"}


def test_the_variables_of_secrets_are_known_by_reference() -> None:
    sources = [
        Source(name="ml", system="mlflow", token=SecretRef(env="ML_TOKEN")),
        Source(name="reg", system="registry", password=SecretRef(file="/run/secret")),
    ]
    config = Config(webhooks={"ops": Webhook(url="https://x.example/", token=SecretRef(env="HOOK"))})
    assert secret_names(config, sources) == {"ML_TOKEN", "HOOK"}


@pytest.mark.parametrize(
    ("env", "dies"),
    [
        (FORWARDED, True),
        ({**LINK, "SSH_AUTH_SOCK": "/home/ana/.ssh/agent/s.abc.sshd.def"}, True),
        ({**LINK, "SSH_AUTH_SOCK": "/run/user/1000/keyring/ssh"}, False),
        ({"SSH_AUTH_SOCK": "/tmp/ssh-XXXXabcd/agent.4711"}, False),
        (LINK, False),
    ],
)
def test_a_forwarded_agent_is_known_and_left_behind(env: dict[str, str], dies: bool) -> None:
    assert bool(forwarded_agent(env)) is dies
    assert ("SSH_AUTH_SOCK" in runner_env(env)) is ("SSH_AUTH_SOCK" in env and not dies)


def ssh_on_path(folder: Path, sshd: Sshd, *, with_key: bool) -> dict[str, str]:
    """An environment whose `ssh` knows the test's server, and its key or not."""
    config = folder / "config"
    lines = sshd.config.read_text().splitlines()
    config.write_text("\n".join(line for line in lines if with_key or "IdentityFile" not in line) + "\n")
    wrapper = folder / "ssh"
    wrapper.write_text(f'#!/bin/sh\nexec /usr/bin/ssh -F {config} "$@"\n')
    wrapper.chmod(0o755)
    return {"PATH": f"{folder}:/usr/bin:/bin", "HOME": str(folder)}


async def test_an_engine_that_only_the_forwarded_agent_reaches_is_refused(sshd: Sshd, tmp_path: Path) -> None:
    sources = [Source(name="prod-1", system="docker", url=sshd.url), Source(name="ml", system="mlflow")]
    await refuse_agent_only(sources, ssh_on_path(tmp_path, sshd, with_key=True))
    with pytest.raises(Refused) as raised:
        await refuse_agent_only(sources, ssh_on_path(tmp_path, sshd, with_key=False))
    assert "prod-1" in str(raised.value)
    assert "dies with your link" in str(raised.value)
    assert "Permission denied" in str(raised.value)


async def test_sources_without_ssh_are_asked_nothing() -> None:
    await refuse_agent_only([Source(name="local", system="docker", url="unix:///x")], {"PATH": ""})


def test_a_host_that_looks_like_an_option_stays_a_host() -> None:
    assert argv("ssh://-oProxyCommand=evil@h:22")[-3:] == ["--", "h", "true"]


def linux(root: Path, *, systemd: bool = True, kills: str = "", linger: str = "") -> Path:
    """A root folder of a host."""
    if systemd:
        (root / "run/systemd/system").mkdir(parents=True)
    if kills:
        drop = root / "etc/systemd/logind.conf.d"
        drop.mkdir(parents=True)
        (root / "etc/systemd/logind.conf").write_text("[Login]\n#KillUserProcesses=no\n")
        (drop / "10-kill.conf").write_text(f"[Login]\nKillUserProcesses={kills}\n")
    if linger:
        (root / "var/lib/systemd/linger").mkdir(parents=True)
        (root / "var/lib/systemd/linger" / linger).touch()
    return root


def test_what_logind_would_end_is_read_from_the_host(tmp_path: Path) -> None:
    assert this_host({}, linux(tmp_path / "none", systemd=False)) == Host()
    assert this_host({}, linux(tmp_path / "default")).kills is False
    assert this_host({}, linux(tmp_path / "kills", kills="yes")).kills is True
    assert this_host({}, linux(tmp_path / "keeps", kills="no")).kills is False


@pytest.mark.parametrize(
    ("host", "logout", "said"),
    [
        (Host(), True, "nothing here ends"),
        (Host(systemd=True), True, "KillUserProcesses=no"),
        (Host(systemd=True, kills=True, scope=True, linger=True), True, "linger ✓"),
        (Host(systemd=True, kills=True, scope=True), False, "enable-linger"),
        (Host(systemd=True, kills=True, linger=True), False, "NOT outlive"),
    ],
)
def test_the_dialog_says_what_a_release_outlives(host: Host, logout: bool, said: str) -> None:
    link, out, reboot = outlives(host)
    assert host.logout is logout
    assert said in out
    assert "SSH link" in link
    assert reboot == "does not outlive a reboot: quarterdeck recover then"


def test_a_scope_is_made_only_where_logind_would_end_the_runner() -> None:
    assert prefix(Host(systemd=True, scope=True), "0193") == []
    made = prefix(Host(systemd=True, kills=True, scope=True), "0193")
    assert made[:3] == ["systemd-run", "--user", "--scope"]
    assert made[-1] == "--"
