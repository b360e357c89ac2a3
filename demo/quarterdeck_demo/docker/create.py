"""A new container from the body of a create request."""

from __future__ import annotations

import re
from collections.abc import Callable

from quarterdeck_demo.docker import net, templates
from quarterdeck_demo.docker.lives import ScriptLife
from quarterdeck_demo.docker.state import Container, Image, Json, Life, Volume
from quarterdeck_demo.docker.wire import EngineError
from quarterdeck_demo.docker.world import World

LifeFor = Callable[[Container, Image], Life | None]
"""The life of a service of the story, None for any other program."""

_NAME = re.compile(r"/?[a-zA-Z0-9][a-zA-Z0-9_.-]+")
_LEFT = ("admiring", "bold", "clever", "eager", "gifted", "jolly", "keen", "lucid", "quirky", "serene")
_RIGHT = ("babbage", "curie", "hopper", "kepler", "lovelace", "noether", "perlman", "ritchie", "turing", "wing")


def check_name(world: World, name: str) -> str:
    """A valid and free name without its slash; raises EngineError 400 or 409."""
    if not _NAME.fullmatch(name):
        raise EngineError(400, f"Invalid container name ({name}), only [a-zA-Z0-9][a-zA-Z0-9_.-] are allowed")
    bare = name.removeprefix("/")
    for other in world.containers.values():
        if other.name == bare:
            used = f'The container name "/{bare}" is already in use by container "{other.id}".'
            advice = "You have to remove (or rename) that container to be able to reuse that name."
            raise EngineError(409, f"Conflict. {used} {advice}")
    return bare


def create(world: World, name: str, body: Json, life_for: LifeFor) -> Container:
    """Create a container; it is not started.

    Raises EngineError: 400 for a bad name or body, 404 without the image or a network, 409 for a used name.
    """
    if not body.get("Image") and not body.get("Cmd") and not body.get("HostConfig"):
        raise EngineError(400, "Config cannot be empty in order to create a container")
    image = world.image(str(body.get("Image", "")))
    container_id = world.new_id("container")
    if not name:
        number = int(container_id[:6], 16)
        name = f"{_LEFT[number % 10]}_{_RIGHT[number // 10 % 10]}{number // 100 % 100}"
    name = check_name(world, name)
    config = merged(body, image)
    config["Hostname"] = config["Hostname"] or container_id[:12]
    words = [*(config["Entrypoint"] or []), *(config["Cmd"] or [])]
    if not words:
        raise EngineError(400, "No command specified")
    host_config = templates.host_config(body.get("HostConfig"))
    settings = (body.get("NetworkingConfig") or {}).get("EndpointsConfig") or {}
    container = Container(
        id=container_id,
        name=name,
        created=world.now,
        image_id=image.id,
        config=config,
        host_config=host_config,
        life=ScriptLife(words, _environment(config)),
        path=words[0],
        args=words[1:],
    )
    mode = str(host_config["NetworkMode"])
    first = {"default": "bridge", "": "bridge"}.get(mode, mode)
    if not first.startswith("container:"):
        wanted = list(dict.fromkeys([first, *settings]))
        for network_name in wanted:
            network = world.network(network_name)
            given = settings.get(network_name) or settings.get(mode)
            net.attach(world, container, network, given)
    container.mounts = _mounts(world, container)
    container.life = life_for(container, image) or container.life
    world.containers[container.id] = container
    world.container_event(container, "create")
    return container


def merged(body: Json, image: Image) -> Json:
    """The container's Config: what was asked for, over what the image says."""
    config = templates.config(body)
    base = image.config
    for key in ("Cmd", "Entrypoint"):
        if isinstance(config[key], str):
            config[key] = [config[key]]
    if not config["Entrypoint"]:
        config["Cmd"] = config["Cmd"] or base["Cmd"]
        config["Entrypoint"] = base["Entrypoint"]
    own = {entry.partition("=")[0] for entry in config["Env"] or []}
    inherited = [entry for entry in base["Env"] or [] if entry.partition("=")[0] not in own]
    config["Env"] = [*(config["Env"] or []), *inherited]
    config["Labels"] = {**(base["Labels"] or {}), **(config["Labels"] or {})}
    for key in ("WorkingDir", "User"):
        config[key] = config[key] or base[key]
    for key in ("ExposedPorts", "Volumes"):
        both = {**(base.get(key) or {}), **(config.get(key) or {})}
        if both:
            config[key] = both
    for key in ("Healthcheck", "StopSignal", "Shell"):
        if base.get(key) and not config.get(key):
            config[key] = base[key]
    return config


def _environment(config: Json) -> dict[str, str]:
    pairs = (entry.partition("=") for entry in config["Env"] or [])
    return {key: value for key, _, value in pairs}


def _mounts(world: World, container: Container) -> list[Json]:
    mounts: list[Json] = []
    for bind in container.host_config["Binds"] or []:
        parts = bind.split(":")
        if len(parts) < 2:
            raise EngineError(400, f"invalid volume specification: '{bind}'")
        mode = parts[2] if len(parts) > 2 else "z" if not parts[0].startswith("/") else ""
        mounts.append(_mount(world, parts[0], parts[1], mode, "ro" not in mode.split(",")))
    for mount in container.host_config.get("Mounts") or []:
        if mount.get("Type") in ("volume", "bind"):
            source, target = mount.get("Source", ""), mount.get("Target", "")
            mounts.append(_mount(world, source, target, "z", not mount.get("ReadOnly")))
    taken = {mount["Destination"] for mount in mounts} | set(container.host_config.get("Tmpfs") or {})
    taken |= {mount["Target"] for mount in container.host_config.get("Mounts") or [] if mount.get("Type") == "tmpfs"}
    rest = [target for target in container.config.get("Volumes") or {} if target not in taken]
    return mounts + [_mount(world, "", target, "", True) for target in rest]


def _mount(world: World, source: str, target: str, mode: str, writable: bool) -> Json:
    if source.startswith("/"):
        return {"Type": "bind", "Source": source, "Destination": target, "Mode": mode, "RW": writable,
                "Propagation": "rprivate"}  # fmt: skip
    name = source or world.new_id("volume")
    if name not in world.volumes:
        world.volumes[name] = Volume(name, world.now, anonymous=not source)
    world.emit("volume", "create", name, {"driver": "local"})
    return {"Type": "volume", "Name": name, "Source": f"/var/lib/docker/volumes/{name}/_data",
            "Destination": target, "Driver": "local", "Mode": mode, "RW": writable, "Propagation": ""}  # fmt: skip
