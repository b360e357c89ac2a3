"""The disk below the engine's data root, where it has an end."""

from __future__ import annotations

from quarterdeck_demo import oci
from quarterdeck_demo.docker.settings import EngineSettings
from quarterdeck_demo.docker.world import World


def free(world: World, settings: EngineSettings) -> int:
    """Bytes that are left; negative when it is over-full."""
    return settings.disk_bytes - sum(image.size for image in world.images.values())


def no_room(world: World, settings: EngineSettings, remote: oci.Image) -> str:
    """What ends a pull for which there is no room, as containerd and the engine word it; empty where there is."""
    if not settings.disk_bytes or remote.id in world.images or free(world, settings) > remote.size:
        return ""
    name = remote.layers[0].digest.removeprefix("sha256:")[:9]
    return f"write /var/lib/docker/tmp/GetImageBlob{name}: no space left on device"
