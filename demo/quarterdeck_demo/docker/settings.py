"""How the engine presents itself, and what a request asks of it."""

from __future__ import annotations

import re
from dataclasses import dataclass

from quarterdeck_demo.docker.views import Api
from quarterdeck_demo.docker.wire import EngineError
from quarterdeck_demo.messages import Request

_PREFIX = re.compile(r"/v(\d+)\.(\d+)(/.*)")
VERSION_HEADER = "x-practice-api"


@dataclass(slots=True)
class EngineSettings:
    """The engine's version and host. `cgroup` is the host's cgroup version, 1 or 2."""

    version: str = "27.5.1"
    api: Api = (1, 47)
    oldest: Api = (1, 24)
    cgroup: int = 2
    name: str = "bast-1"
    stats_interval: float = 1.0
    """Seconds between two samples."""
    pull_delay: float = 0.15
    """Seconds between two steps of a pull or push."""
    disk_bytes: int = 0
    """Size of the disk that images lie on; 0: without an end."""

    @property
    def headers(self) -> dict[str, str]:
        """The headers of every answer."""
        return {
            "Api-Version": _text(self.api),
            "Docker-Experimental": "false",
            "Ostype": "linux",
            "Server": f"Docker/{self.version} (linux)",
        }

    def unversioned(self, request: Request) -> Request:
        """The request without the version in its path; raises EngineError 400 for one out of range."""
        found = _PREFIX.fullmatch(request.path)
        if found is None:
            return _speaking(request, self.api)
        asked = (int(found[1]), int(found[2]))
        if asked > self.api:
            why = f"Maximum supported API version is {_text(self.api)}"
            raise EngineError(400, f"client version {_text(asked)} is too new. {why}")
        if asked < self.oldest:
            why = f"Minimum supported API version is {_text(self.oldest)}"
            advice = "please upgrade your client to a newer version"
            raise EngineError(400, f"client version {_text(asked)} is too old. {why}, {advice}")
        return _speaking(request._replace(path=found[3]), asked)


def api_version(request: Request) -> Api:
    """The version that a request speaks; it has passed `unversioned`."""
    major, _, minor = request.header(VERSION_HEADER).partition(".")
    return int(major), int(minor)


def _speaking(request: Request, api: Api) -> Request:
    return request._replace(headers={**request.headers, VERSION_HEADER: _text(api)})


def _text(api: Api) -> str:
    return f"{api[0]}.{api[1]}"
