"""What a change remembers of its container: enough to put it back from any host. Strings, and no secret."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import msgspec

from quarterdeck_lifecycle.release.model import Change

Json = Mapping[str, Any]


class Goal(msgspec.Struct, frozen=True):
    """A container that is to have the name again: its id, whether it is to run, and its restart policy."""

    id: str
    runs: bool
    policy: dict[str, Any]


class Facts(msgspec.Struct, frozen=True, kw_only=True):
    """The old container by id, the names of both, the restart policy to restore, and how the new one is made.

    `recipe_from` is the container whose configuration is copied, `own_image` says that it is copied with its image.
    `restart` is the old one's policy, `policy` the new one's. `back_id` is the retained one that a failure goes back
    to, empty for the old one. `port` is where the new one is probed directly.
    """

    name: str
    old_id: str
    old_image: str
    new_name: str
    old_name: str
    recipe_from: str
    own_image: bool = False
    ran: bool = True
    restart: dict[str, Any]
    policy: dict[str, Any]
    back_id: str = ""
    back_policy: dict[str, Any] = {}
    stop_s: int = 10
    keep: int = 5
    port: int = 0
    network: str = ""
    proxy: str = ""
    old_server: str = ""

    @property
    def before(self) -> Goal:
        """What ran when the plan was made, as it was."""
        return Goal(self.old_id, self.ran, self.restart)

    @property
    def back(self) -> Goal:
        """What a failed release goes back to."""
        return Goal(self.back_id, True, self.back_policy) if self.back_id else self.before

    def strings(self) -> dict[str, str]:
        """As a change carries them."""
        return {
            key: value if isinstance(value, str) else json.dumps(value, sort_keys=True)
            for key, value in msgspec.to_builtins(self).items()
        }


_TEXTS = frozenset(n for n, kind in Facts.__annotations__.items() if kind == "str")


def read(change: Change) -> Facts:
    """The facts of a change. Raises msgspec.ValidationError when it is not one of a container."""
    values = {key: value if key in _TEXTS else json.loads(value) for key, value in change.facts.items()}
    return msgspec.convert(values, Facts)


def policy(found: Json) -> dict[str, Any]:
    """The restart policy of a container, as it is set again."""
    said = (found.get("HostConfig") or {}).get("RestartPolicy") or {}
    return {"Name": str(said.get("Name") or "no"), "MaximumRetryCount": int(said.get("MaximumRetryCount") or 0)}
