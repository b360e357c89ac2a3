"""What a container's configuration says beyond what its image said. Pure.

The engine merges an image's configuration into a new container's (moby image/... `merge`); made again on another image,
the container must have what its operator asked for and the new image's part, not the old image's.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from quarterdeck_lifecycle.release.model import MARK

Json = Mapping[str, Any]
SHORT = 12
_DROPPED = ("Image", "OnBuild", "ArgsEscaped")


def own_config(config: Json, image: Json | None, container_id: str) -> dict[str, Any]:
    """`Config` of a container without its image's part (None: the image stays the same), without the hostname that
    its id made, and without marks of a release. Without an image `Env`, `Cmd` and the rest stay as they are."""
    own = {key: value for key, value in config.items() if key not in _DROPPED}
    if own.get("Hostname") == container_id[:SHORT]:
        own["Hostname"] = ""
    labels = {key: value for key, value in (config.get("Labels") or {}).items() if not key.startswith(MARK)}
    own["Labels"] = labels
    if image is None:
        return own
    own["Labels"] = {key: value for key, value in labels.items() if (image.get("Labels") or {}).get(key) != value}
    given = set(image.get("Env") or ())
    own["Env"] = [entry for entry in config.get("Env") or () if entry not in given]
    for key in ("ExposedPorts", "Volumes"):
        own[key] = {
            name: value for name, value in (config.get(key) or {}).items() if name not in (image.get(key) or {})
        }
    for key in ("User", "WorkingDir"):
        if config.get(key) == image.get(key):
            own[key] = ""
    for key in ("StopSignal", "Shell"):
        if key in own and config.get(key) == image.get(key):
            del own[key]
    own.update(_command(config, image))
    own["Healthcheck"] = _healthcheck(config.get("Healthcheck") or {}, image.get("Healthcheck") or {})
    return {key: value for key, value in own.items() if value is not None or key in ("Cmd", "Entrypoint")}


def _command(config: Json, image: Json) -> dict[str, Any]:
    """An own entrypoint stands with the command beside it, since it hides the image's command."""
    cmd, entrypoint = config.get("Cmd"), config.get("Entrypoint")
    if (entrypoint or None) != (image.get("Entrypoint") or None):
        return {"Entrypoint": entrypoint, "Cmd": cmd}
    if not cmd and image.get("Cmd"):
        return {"Entrypoint": entrypoint, "Cmd": []}
    return {"Entrypoint": None, "Cmd": None if cmd == image.get("Cmd") else cmd}


def _healthcheck(own: Json, image: Json) -> dict[str, Any] | None:
    """Field by field, as the engine merges it; None when nothing is left."""
    left = {key: value for key, value in own.items() if value and image.get(key) != value}
    return left or None
