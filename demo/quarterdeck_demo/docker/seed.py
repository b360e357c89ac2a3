"""The engine as the story begins: its images, networks, volumes and containers."""

from __future__ import annotations

from dataclasses import replace

from quarterdeck_demo import oci, story
from quarterdeck_demo.docker import lifecycle, net, references, tick
from quarterdeck_demo.docker.create import merged
from quarterdeck_demo.docker.lives import ScriptLife
from quarterdeck_demo.docker.services import ServiceLife
from quarterdeck_demo.docker.state import Container, Health, Image, Json, Network, Run, Volume
from quarterdeck_demo.docker.supply import local_image
from quarterdeck_demo.docker.templates import host_config
from quarterdeck_demo.docker.wire import digest
from quarterdeck_demo.docker.world import World
from quarterdeck_demo.story import Story

MONTH_S = 30 * 86_400.0
COMPOSE = "com.docker.compose"


def predefined(world: World, at: float) -> None:
    """The three networks that every engine has."""
    for name, driver, subnet in (("bridge", "bridge", "172.17.0"), ("host", "host", ""), ("none", "null", "")):
        network = Network(world.new_id("network"), name, at, driver, subnet)
        world.networks[network.id] = network


def fill(world: World, tale: Story) -> None:
    """Put the story into an empty world."""
    predefined(world, tale.now - 6 * MONTH_S)
    for image in tale.public_images:
        _add_image(world, image, image.repository, image.tags)
    for service, released in tale.releases.items():
        used = {c.image.id for c in tale.containers if c.service == service}
        for age, release in enumerate(reversed(released)):
            if release.image.id in used or age < 3:
                tags = release.image.tags if release.image.id in used or age < 2 else ()
                _add_image(world, release.image, f"{tale.registry}/{release.image.repository}", tags)
    for spec in tale.containers:
        _add_container(world, tale, spec)
    for name, anonymous in (("fraud-dev_notebooks", False), (digest(tale.seed, "volume"), True)):
        world.volumes[name] = Volume(name, tale.now - MONTH_S, anonymous=anonymous, size=_size(name))
    world.events.clear()


def life_for(tale: Story, container: Container, image: Image) -> ServiceLife | None:
    """The life of a new container that runs one of the story's images with the image's own command."""
    release = tale.release_of(image.id)
    repository = references.parse(container.image).path if image.id[7:] not in container.image else ""
    spec = next((c for c in tale.containers if c.image.id == image.id), None)
    spec = spec or next((c for c in tale.containers if release and c.service == release.service), None)
    spec = spec or next((c for c in tale.containers if c.image.repository == repository), None)
    if spec is None or container.config["Cmd"] != image.config["Cmd"]:
        return None
    labels = container.labels
    variables = dict(entry.partition("=")[::2] for entry in container.config["Env"] or [])
    environment = labels.get("com.acme.environment") or variables.get("ENVIRONMENT") or spec.environment
    number = labels.get(f"{COMPOSE}.container-number", "")
    fresh = replace(
        spec,
        id=container.id,
        name=container.name,
        release=release,
        image=release.image if release else spec.image,
        environment=environment,
        number=int(number) if number.isdigit() else 2,
        memory_limit=container.host_config["Memory"],
        finished_at=0.0,
        exit_code=0,
    )
    return ServiceLife(tale, fresh)


def _add_image(world: World, source: oci.Image, repository: str, tags: tuple[str, ...]) -> None:
    image = local_image(source)
    image.tags = sorted(f"{repository}:{tag}" for tag in tags)
    image.digests = [f"{repository}@{source.digest}"]
    image.tagged_at = image.created
    world.images[image.id] = image


def _add_container(world: World, tale: Story, spec: story.Container) -> None:
    image = world.images[spec.image.id]
    own = [f"{key}={value}" for key, value in spec.env.items() if f"{key}={value}" not in (image.config["Env"] or [])]
    config = merged({"Image": spec.reference, "Env": own, "Labels": dict(spec.labels)}, image)
    config["Hostname"] = spec.id[:12]
    exposed: Json = {f"{port.container}/{port.protocol}": {} for port in spec.ports}
    if exposed:
        config["ExposedPorts"] = exposed
    bindings = {
        f"{port.container}/{port.protocol}": [{"HostIp": "127.0.0.1", "HostPort": str(port.host)}]
        for port in spec.ports
        if port.host is not None
    }
    words = [*(config["Entrypoint"] or []), *(config["Cmd"] or [])]
    retries = spec.restarts if spec.restart_policy == "on-failure" else 0
    container = Container(
        id=spec.id,
        name=spec.name,
        created=spec.created_at,
        image_id=image.id,
        config=config,
        host_config=host_config(
            {
                "NetworkMode": spec.networks[0] if spec.networks else "bridge",
                "PortBindings": bindings,
                "Memory": spec.memory_limit,
                "RestartPolicy": {"Name": spec.restart_policy, "MaximumRetryCount": retries},
                "Binds": [f"{m.source}:{m.destination}{'' if m.writable else ':ro'}" for m in spec.mounts] or None,
            }
        ),
        life=ServiceLife(tale, spec) if spec.service else ScriptLife(words),
        path=words[0],
        args=words[1:],
        restarts=spec.restarts,
    )
    for mount in spec.mounts:
        _mount(world, container, mount, spec)
    for name in spec.networks:
        net.attach(world, container, _network(world, name, spec), {"Aliases": [spec.name, spec.service]})
    world.containers[container.id] = container
    _state(world, container, spec)


def _mount(world: World, container: Container, mount: story.Mount, spec: story.Container) -> None:
    shown = {"Type": mount.kind, "Source": mount.source, "Destination": mount.destination, "RW": mount.writable}
    if mount.kind == "volume":
        labels = {f"{COMPOSE}.project": spec.project, f"{COMPOSE}.volume": mount.source.partition("_")[2]}
        world.volumes[mount.source] = Volume(mount.source, spec.created_at, labels, size=_size(mount.source))
        shown |= {"Name": mount.source, "Source": f"/var/lib/docker/volumes/{mount.source}/_data", "Driver": "local"}
    container.mounts.append({**shown, "Mode": "z", "Propagation": "" if mount.kind == "volume" else "rprivate"})


def _network(world: World, name: str, spec: story.Container) -> Network:
    found = next((network for network in world.networks.values() if network.name == name), None)
    if found is None:
        labels = {f"{COMPOSE}.project": spec.project, f"{COMPOSE}.network": "default", f"{COMPOSE}.version": "2.39.1"}
        found = Network(world.new_id("network"), name, spec.created_at, "bridge", net.new_subnet(world), labels)
        world.networks[found.id] = found
    return found


def _state(world: World, container: Container, spec: story.Container) -> None:
    if spec.state == "created":
        return
    container.runs = [Run(spec.restarts, spec.started_at, spec.finished_at or None)]
    container.status, container.exit_code, container.oom_killed = spec.state, spec.exit_code, spec.oom_killed
    if spec.state in ("running", "paused"):
        container.runs = [Run(spec.restarts, spec.started_at)]
        container.pid = world.new_pid()
        container.ports = net.publish(world, container)
        for network in net.networks_of(world, container):
            net.join(world, container, network)
    if spec.health and "Healthcheck" in container.config:
        every = lifecycle.interval(container)
        container.health = Health(spec.health, spec.failing_streak, [], world.now - tick.KEPT_PROBES * every)


def _size(name: str) -> int:
    return 1_000_000 + int(digest(name)[:7], 16)
