"""What a runner is given of the operator's environment, on purpose, and what of it would die with their login."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from quarterdeck_config.schema import Config, SecretRef, Source

_NAMES = frozenset({
    "HOME", "PATH", "USER", "LOGNAME", "LANG", "LANGUAGE", "TZ", "TMPDIR", "SUDO_USER", "SSH_CONNECTION",
    "SSL_CERT_FILE", "SSL_CERT_DIR", "http_proxy", "https_proxy", "no_proxy", "all_proxy", "HTTP_PROXY",
    "HTTPS_PROXY", "NO_PROXY", "ALL_PROXY", "DBUS_SESSION_BUS_ADDRESS", "PROMETHEUS_URL", "SSH_AUTH_SOCK",
})  # fmt: skip
_PREFIXES = ("QUARTERDECK_", "XDG_", "LC_", "DOCKER_", "MLFLOW_", "AWS_", "GOOGLE_", "AZURE_")
"""The clouds' own are read by credential helpers of registries."""
_FORWARDED = re.compile(r"(^|/)(ssh-[^/]+/agent\.[^/]+|\.ssh/agent/.*sshd.*)$")
"""Where sshd puts the socket of a forwarded agent: /tmp/ssh-XXXX/agent.PID, and since OpenSSH 10.1 ~/.ssh/agent/."""


def forwarded_agent(env: Mapping[str, str]) -> str:
    """The socket of an ssh agent that dies with the operator's link, or an empty string."""
    agent = env.get("SSH_AUTH_SOCK", "")
    return agent if env.get("SSH_CONNECTION") and _FORWARDED.search(agent) else ""


def runner_env(env: Mapping[str, str], secrets: Iterable[str] = ()) -> dict[str, str]:
    """The runner's environment: what finds the state, the config, the engines and their credentials.

    `secrets` are names of variables that the config refers to. A forwarded agent is left out.
    """
    named = _NAMES | set(secrets)
    kept = {name: value for name, value in env.items() if name in named or name.startswith(_PREFIXES)}
    if forwarded_agent(env):
        del kept["SSH_AUTH_SOCK"]
    return kept


def secret_names(config: Config, sources: Iterable[Source]) -> set[str]:
    """The variables that secrets of these sources and of the webhooks are in."""
    refs: list[SecretRef | None] = [ref for source in sources for ref in (source.token, source.password)]
    refs += [hook.token for hook in config.webhooks.values()]
    return {ref.env for ref in refs if ref is not None and ref.env is not None}
