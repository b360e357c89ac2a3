"""Where state is kept. A module of its own, importing nothing, for the commands that must end at once."""

from __future__ import annotations

import os
from collections.abc import Mapping

SHARED = "/var/lib/quarterdeck"


def state_path(environ: Mapping[str, str] = os.environ) -> str:
    """$QUARTERDECK_STATE, else the host's shared folder if it can be written, else the user's."""
    if chosen := environ.get("QUARTERDECK_STATE"):
        return os.path.expanduser(chosen)
    if os.path.isdir(SHARED) and os.access(SHARED, os.W_OK | os.X_OK):
        return SHARED
    base = environ.get("XDG_STATE_HOME", "")
    return os.path.join(base if base.startswith("/") else os.path.expanduser("~/.local/state"), "quarterdeck")


def own_path(name: str, environ: Mapping[str, str] = os.environ) -> str:
    """A folder in it for this user alone, where a team shares the state folder."""
    return os.path.join(state_path(environ), f"{name}-{os.geteuid()}")
