"""Networks, published ports and volumes in use."""

from __future__ import annotations

from quarterdeck_demo.docker import templates
from quarterdeck_demo.docker.state import Container, Json, Network
from quarterdeck_demo.docker.wire import EngineError, digest
from quarterdeck_demo.docker.world import World

ANY = "0.0.0.0"  # noqa: S104
EPHEMERAL = range(32768, 61000)


def networks_of(world: World, container: Container) -> list[Network]:
    """The networks that a container is configured for, as far as they exist."""
    ids = [endpoint["NetworkID"] for endpoint in container.endpoints.values()]
    return [world.networks[network_id] for network_id in ids if network_id in world.networks]


def attach(world: World, container: Container, network: Network, settings: Json | None = None) -> None:
    """Configure a container for a network; it gets an address when it runs."""
    endpoint = templates.endpoint(settings)
    endpoint["NetworkID"] = network.id
    if network.name not in ("bridge", "host", "none"):
        endpoint["Aliases"] = [*(endpoint["Aliases"] or []), container.id[:12]]
        names = dict.fromkeys([container.name, *endpoint["Aliases"]])
        endpoint["DNSNames"] = list(names)
    container.endpoints[network.name] = endpoint
    if container.alive:
        join(world, container, network)


def join(world: World, container: Container, network: Network) -> None:
    """Give a running container its address in a network."""
    endpoint = container.endpoints[network.name]
    endpoint["EndpointID"] = digest(container.id, network.id, len(container.runs))
    if not network.subnet:
        return
    taken = {c.endpoints[network.name]["IPAddress"] for c in world.attached(network) if network.name in c.endpoints}
    wanted = (endpoint["IPAMConfig"] or {}).get("IPv4Address")
    host = 2
    while not wanted and f"{network.subnet}.{host}" in taken:
        host += 1
    address = wanted or f"{network.subnet}.{host}"
    octets = "".join(f":{int(part):02x}" for part in address.split("."))
    endpoint |= {"Gateway": f"{network.subnet}.1", "IPAddress": address, "IPPrefixLen": 24}
    endpoint["MacAddress"] = f"02:42{octets}"


def leave(container: Container, network: Network) -> None:
    """Take the address back."""
    endpoint = container.endpoints[network.name]
    endpoint |= {"EndpointID": "", "Gateway": "", "IPAddress": "", "IPPrefixLen": 0, "MacAddress": ""}


def publish(world: World, container: Container) -> dict[str, list[Json]]:
    """The host bindings of a container that starts now.

    Raises EngineError 500 when one is taken.
    """
    taken = {
        (binding["HostIp"], binding["HostPort"], port.partition("/")[2])
        for other in world.containers.values()
        if other is not container
        for port, bindings in other.ports.items()
        for binding in bindings
    }
    published: dict[str, list[Json]] = {}
    for port, bindings in (container.host_config["PortBindings"] or {}).items():
        if port not in (container.config.get("ExposedPorts") or {}):
            continue
        protocol = port.partition("/")[2] or "tcp"
        for binding in bindings or [{}]:
            address, number = binding.get("HostIp") or ANY, str(binding.get("HostPort") or "0")
            if number == "0":
                number = next(str(n) for n in EPHEMERAL if (address, str(n), protocol) not in taken)
            if any(n == number and p == protocol and _overlap(a, address) for a, n, p in taken):
                raise EngineError(500, _clash(container, address, number))
            addresses = (address, "::") if address == ANY and not binding.get("HostIp") else (address,)
            for each in addresses:
                taken.add((each, number, protocol))
                named = port if "/" in port else f"{port}/tcp"
                published.setdefault(named, []).append({"HostIp": each, "HostPort": number})
    return published


def volume_users(world: World, name: str) -> list[Container]:
    """The containers, running or not, that mount a volume."""
    return [c for c in world.containers.values() if any(m.get("Name") == name for m in c.mounts)]


def new_subnet(world: World) -> str:
    """The first free /24 of the engine's pool."""
    taken = {network.subnet for network in world.networks.values()}
    return next(s for s in (f"172.{b}.{c}" for b in range(18, 32) for c in range(256)) if s not in taken)


def _overlap(one: str, other: str) -> bool:
    return one == other or ANY in (one, other)


def _clash(container: Container, address: str, port: str) -> str:
    endpoint = digest(container.id, "endpoint", port)
    what = f"driver failed programming external connectivity on endpoint {container.name} ({endpoint})"
    return f"{what}: Bind for {address}:{port} failed: port is already allocated"
