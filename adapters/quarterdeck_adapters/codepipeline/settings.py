"""What a source of CodePipeline says of itself: where AWS is, as whom, which pipelines. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import NamedTuple
from urllib.parse import urlsplit

from quarterdeck_adapters.base import SourceConfig
from quarterdeck_adapters.http import is_loopback
from quarterdeck_lifecycle.errors import AuthFailed, Unsupported

_REGION = re.compile(r"[a-z0-9-]{4,40}")
_PIPELINE = re.compile(r"[A-Za-z0-9.@_-]{1,100}")
_KNOWN = frozenset({"region", "profile"})


class Settings(NamedTuple):
    """Empty texts leave it to AWS's own chain: its variables and files."""

    region: str = ""
    profile: str = ""
    endpoint: str = ""
    pipelines: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


def settings(config: SourceConfig, env: Mapping[str, str]) -> Settings:
    """The settings of a source. Raises Unsupported for a wrong option, AuthFailed for a way that shows a credential."""
    options = config.options
    if unknown := sorted(set(options) - _KNOWN):
        raise Unsupported(
            f"no option {', '.join(unknown)}", source=config.name, why="CodePipeline takes region and profile",
            mend="correct options: of this source",
        )  # fmt: skip
    region, profile = (str(options.get(name, "") or "") for name in ("region", "profile"))
    if region and not _REGION.fullmatch(region):
        raise Unsupported(f"{region} is no region", source=config.name, mend="write options: {region: eu-west-1}")
    endpoint = (config.url or "").rstrip("/")
    if endpoint:
        parts = urlsplit(endpoint)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise Unsupported(
                f"{endpoint} is no http address", source=config.name, mend="leave url: out for AWS's own endpoints"
            )
        if parts.scheme == "http" and not config.plain_http and not is_loopback(parts.hostname):
            raise AuthFailed(
                f"nothing is signed for {parts.netloc}", source=config.name, why="it would travel over plain http",
                mend="use https, or set plain_http: true on this source",
            )  # fmt: skip
    region = region or env.get("AWS_REGION", "") or env.get("AWS_DEFAULT_REGION", "")
    wrong = [name for name in config.repos if not _PIPELINE.fullmatch(name)]
    return Settings(
        region, profile, endpoint, tuple(dict.fromkeys(name for name in config.repos if name not in wrong)),
        tuple(f"not the name of a pipeline: {name}" for name in wrong),
    )  # fmt: skip


def shown_address(given: Settings) -> str:
    """The address for people."""
    if given.endpoint:
        return given.endpoint
    return f"https://codepipeline.{given.region}.amazonaws.com" if given.region else "https://codepipeline.amazonaws.com"
