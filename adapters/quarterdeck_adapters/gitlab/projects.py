"""What is known of the projects: their default branch, how they merge, and our role in each. Asked once in a while.

https://docs.gitlab.com/api/projects/#retrieve-a-project https://docs.gitlab.com/api/access_requests/#valid-access-levels
"""

from __future__ import annotations

from collections.abc import Sequence

from quarterdeck_adapters.ci.api import together
from quarterdeck_adapters.ci.values import Json, section, text, whole
from quarterdeck_adapters.gitlab.api import GitlabApi
from quarterdeck_adapters.gitlab.mapping import Home
from quarterdeck_adapters.gitlab.places import root_of
from quarterdeck_lifecycle.errors import Forbidden, NotFound, QuarterdeckError

AGAIN_S, SOON_S = 600.0, 60.0
"""Seconds until a project is asked for again, and until it is after a failure."""
AT_FIRST = 40
"""Projects that are asked for in one refresh, at most."""


class Projects:
    """The projects of a source, as far as they are known."""

    def __init__(self, api: GitlabApi, paths: Sequence[str], environment: str, host: str) -> None:
        self.api = api
        self.paths = paths
        self._environment = environment
        self._host = host
        self._known: dict[str, tuple[float, Json]] = {}
        self._user: Json | None = None

    def home(self, path: str) -> Home:
        """What the records of a project share."""
        branch = text(self.about(path).get("default_branch"))
        return Home(self.api.source, self._environment, self._host, path, branch)

    def about(self, path: str) -> Json:
        """What is known of a project by now; asks nobody."""
        return self._known.get(path, (0.0, {}))[1]

    def access(self, path: str) -> int | None:
        """Our access level (20 reporter, 30 developer, 40 maintainer), None while it is not known."""
        rights = section(self.about(path), "permissions")
        levels = [whole(section(rights, key).get("access_level")) for key in ("project_access", "group_access")]
        return max((level for level in levels if level is not None), default=None)

    async def read(self, path: str) -> Json:
        """A project as it is now. Raises QuarterdeckError."""
        found = await self.api.object(root_of(path), etag=True)
        self._known[path] = self.api.now(), found
        return found

    async def learn(self) -> None:
        """Ask for what is not known, or not for long; what fails is left for the next time."""
        now = self.api.now()
        stale = [path for path in self.paths if now - self._known.get(path, (-AGAIN_S, {}))[0] >= AGAIN_S]
        for path, answer in zip(
            stale[:AT_FIRST], await together(self.read(path) for path in stale[:AT_FIRST]), strict=True
        ):
            if isinstance(answer, QuarterdeckError):
                self._known[path] = now - AGAIN_S + SOON_S, self.about(path)
            elif isinstance(answer, BaseException):
                raise answer
        if self._user is None:
            try:
                self._user = await self.api.object("/user")
            except (Forbidden, NotFound):
                # A project's or group's token may be nobody's account.
                self._user = {}
            except QuarterdeckError:
                pass

    async def viewer(self) -> str:
        """Who we are; empty for a token that is nobody's. Asked once."""
        if self._user is None:
            await self.learn()
        return self.known_viewer

    @property
    def known_viewer(self) -> str:
        """As `viewer`, without asking."""
        return text((self._user or {}).get("username"))
