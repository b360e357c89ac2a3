"""Docker's own credentials: its config file and its helpers, each for its own host only.

https://docs.docker.com/reference/cli/docker/login/#credential-stores ; helpers' protocol:
https://github.com/docker/docker-credential-helpers
"""

from __future__ import annotations

import base64
import binascii
import os
import re
from collections.abc import Mapping
from typing import Any

import msgspec

from quarterdeck_adapters.blocking import call
from quarterdeck_adapters.credential import Login
from quarterdeck_adapters.process import run
from quarterdeck_config.secrets import Secret
from quarterdeck_lifecycle.errors import AuthFailed, QuarterdeckError

MOST_BYTES = 1 << 20
HELPER_S = 5.0
IDENTITY = "<token>"
"""The user name under which a helper gives an identity token, which is exchanged and never sent as a password."""
PROMPTING = ("DISPLAY", "WAYLAND_DISPLAY", "SSH_ASKPASS", "GPG_TTY")
_HELPER = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")


def config_path(env: Mapping[str, str]) -> str:
    """Where Docker's config is, or an empty string without a home."""
    folder = env.get("DOCKER_CONFIG") or (os.path.join(env["HOME"], ".docker") if env.get("HOME") else "")
    return os.path.join(folder, "config.json") if folder else ""


def read_config(path: str) -> dict[str, Any]:
    """The config file; an empty one when there is none or it cannot be read."""
    try:
        with open(path, "rb") as file:
            found = msgspec.json.decode(file.read(MOST_BYTES))
    except (OSError, ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def host_of(key: str) -> str:
    """Host and port that an entry of `auths` or `credHelpers` is for."""
    return key.partition("://")[2].partition("/")[0] if "://" in key else key.partition("/")[0]


def entry(config: Mapping[str, Any], section: str, host: str) -> tuple[str, Any]:
    """The entry of a host in a section and the key it stands under."""
    found = config.get(section)
    if isinstance(found, dict):
        for key, value in found.items():
            if host_of(key) == host:
                return key, value
    return "", None


def plain_login(value: Any) -> Login | None:
    """The login of an entry of `auths`: base64 of `user:password`, or an identity token."""
    if not isinstance(value, dict):
        return None
    if isinstance(value.get("identitytoken"), str) and value["identitytoken"]:
        return Login(IDENTITY, Secret(value["identitytoken"]).reveal())
    auth = value.get("auth")
    try:
        text = base64.b64decode(auth, validate=True).decode() if isinstance(auth, str) else ""
    except (binascii.Error, UnicodeDecodeError):
        return None
    user, colon, password = text.partition(":")
    password = password.rstrip("\0")
    return Login(user, Secret(password).reveal()) if colon and user and password else None


async def login(host: str, env: Mapping[str, str], source: str) -> Login | None:
    """The login that Docker keeps for a host, or None. Raises AuthFailed when its helper fails."""
    path = config_path(env)
    if not path:
        return None
    config = await call(lambda: read_config(path), deadline=HELPER_S, source=source, what="Docker's config")
    key, helper = entry(config, "credHelpers", host)
    if not isinstance(helper, str) or not helper:
        helper, key = config.get("credsStore"), ""
    stored_key, stored = entry(config, "auths", host)
    if isinstance(helper, str) and helper:
        found = await ask_helper(helper, key or stored_key or host, env, source)
        if found is not None:
            return found
    return plain_login(stored)


async def ask_helper(name: str, key: str, env: Mapping[str, str], source: str) -> Login | None:
    """What `docker-credential-NAME get` knows; None when it has nothing. It gets no terminal and no display."""
    program = f"docker-credential-{name}"
    if not _HELPER.fullmatch(name):
        raise AuthFailed("Docker's config names a credential helper that is no name", source=source)
    quiet = {key: value for key, value in env.items() if key not in PROMPTING}
    try:
        done = await run([program, "get"], source=source, deadline=HELPER_S, env=quiet, stdin=key.encode(), limit=65536)
    except QuarterdeckError as error:
        mend = f"install {program}, or name username and password under this source"
        raise AuthFailed(
            f"{program} gave no credential", source=source, why=error.why or error.what, mend=mend
        ) from error
    if done.code:
        if b"not found" in done.stdout + done.stderr:
            return None
        # Its complaint is not repeated: it may hold what it should keep.
        raise AuthFailed(f"{program} failed", source=source, why=f"exit code {done.code}", mend=f"run `{program} get`")
    try:
        found = msgspec.json.decode(done.stdout)
        user, secret = found["Username"], found["Secret"]
    except (ValueError, KeyError, TypeError):
        raise AuthFailed(f"{program} gave no credential", source=source, why="it printed something else") from None
    if not isinstance(user, str) or not isinstance(secret, str) or not secret:
        return None
    return Login(user or IDENTITY, Secret(secret).reveal())
