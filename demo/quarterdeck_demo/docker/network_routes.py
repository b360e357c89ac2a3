"""Handlers of the network and volume operations: https://docs.docker.com/reference/api/engine/version/v1.47/#tag/Network."""

from __future__ import annotations

from quarterdeck_demo.docker import filters, image_views, net
from quarterdeck_demo.docker.settings import api_version
from quarterdeck_demo.docker.state import Json, Network, Volume
from quarterdeck_demo.docker.wire import NANO, EngineError, parse_time, truthy
from quarterdeck_demo.docker.world import World
from quarterdeck_demo.messages import Request, Response, json_response
from quarterdeck_demo.router import Router


class NetworkRoutes:
    """The handlers of /networks and /volumes."""

    def __init__(self, world: World) -> None:
        self._world = world

    def add_to(self, router: Router) -> None:
        """Register the routes."""
        router.add("GET", "/networks", self.networks)
        router.add("POST", "/networks/create", self.create_network)
        router.add("POST", "/networks/prune", self.prune_networks)
        router.add("GET", "/networks/{id}", self.network)
        router.add("DELETE", "/networks/{id}", self.remove_network)
        router.add("POST", "/networks/{id}/connect", self.connect)
        router.add("POST", "/networks/{id}/disconnect", self.disconnect)
        router.add("GET", "/volumes", self.volumes)
        router.add("POST", "/volumes/create", self.create_volume)
        router.add("POST", "/volumes/prune", self.prune_volumes)
        router.add("GET", "/volumes/{name}", self.volume)
        router.add("DELETE", "/volumes/{name}", self.remove_volume)

    async def networks(self, request: Request) -> Response:
        allowed = frozenset(("dangling", "driver", "id", "label", "name", "scope", "type"))
        wanted = filters.parse(request.arg("filters"), allowed)
        found = [network for network in self._world.networks.values() if self._fits(network, wanted)]
        return json_response([image_views.network(self._world, network, verbose=False) for network in found])

    def _fits(self, network: Network, wanted: filters.Filters) -> bool:
        kind = "builtin" if network.predefined else "custom"
        used = any(network.name in c.endpoints for c in self._world.containers.values())
        return (
            filters.labels_fit(wanted.get("label", []), network.labels)
            and ("name" not in wanted or filters.any_fits(wanted["name"], network.name))
            and ("id" not in wanted or any(network.id.startswith(v) for v in wanted["id"]))
            and ("driver" not in wanted or network.driver in wanted["driver"])
            and ("type" not in wanted or kind in wanted["type"])
            and ("scope" not in wanted or "local" in wanted["scope"])
            and ("dangling" not in wanted or (not used and kind == "custom") == filters.flag(wanted, "dangling"))
        )

    async def network(self, request: Request) -> Response:
        found = self._world.network(request.match["id"])
        return json_response(image_views.network(self._world, found, verbose=True))

    async def create_network(self, request: Request) -> Response:
        body: Json = request.json() or {}
        name = str(body.get("Name") or "")
        if not name:
            raise EngineError(400, "network name is required")
        if any(network.name == name for network in self._world.networks.values()):
            raise EngineError(409, f"network with name {name} already exists")
        pools = (body.get("IPAM") or {}).get("Config") or [{}]
        subnet = str(pools[0].get("Subnet") or "").rpartition(".")[0] or net.new_subnet(self._world)
        made = Network(
            id=self._world.new_id("network"),
            name=name,
            created=self._world.now,
            driver=str(body.get("Driver") or "bridge"),
            subnet=subnet,
            labels=dict(body.get("Labels") or {}),
            options=dict(body.get("Options") or {}),
            internal=bool(body.get("Internal")),
            attachable=bool(body.get("Attachable")),
        )
        self._world.networks[made.id] = made
        self._world.network_event(made, "create")
        return json_response({"Id": made.id, "Warning": ""}, 201)

    async def remove_network(self, request: Request) -> Response:
        network = self._world.network(request.match["id"])
        if network.predefined:
            raise EngineError(403, f"{network.name} is a pre-defined network and cannot be removed")
        if self._world.attached(network):
            used = f"network {network.name} id {network.id} has active endpoints"
            raise EngineError(403, f"error while removing network: {used}")
        self._drop(network)
        return Response(204)

    def _drop(self, network: Network) -> None:
        del self._world.networks[network.id]
        self._world.network_event(network, "destroy")

    async def prune_networks(self, request: Request) -> Response:
        wanted = filters.parse(request.arg("filters"), frozenset(("label", "label!", "until")))
        limits = [parse_time(value, self._world.now) for value in wanted.get("until", [])]
        gone = []
        for network in list(self._world.networks.values()):
            kept = network.predefined or bool(self._world.attached(network))
            kept = kept or any(network.created * NANO > limit for limit in limits)
            kept = kept or not filters.labels_fit(wanted.get("label", []), network.labels)
            if not kept:
                self._drop(network)
                gone.append(network.name)
        self._world.emit("network", "prune", "", {"reclaimed": "0"})
        return json_response({"NetworksDeleted": gone or None})

    async def connect(self, request: Request) -> Response:
        network, body = self._world.network(request.match["id"]), request.json() or {}
        container = self._world.container(str(body.get("Container", "")))
        if network.name in container.endpoints and container.alive:
            raise EngineError(403, f"endpoint with name {container.name} already exists in network {network.name}")
        net.attach(self._world, container, network, body.get("EndpointConfig"))
        if container.alive:
            self._world.network_event(network, "connect", container.id)
        return Response(200)

    async def disconnect(self, request: Request) -> Response:
        network, body = self._world.network(request.match["id"]), request.json() or {}
        container = self._world.container(str(body.get("Container", "")))
        if network.name not in container.endpoints:
            raise EngineError(500, f"container {container.id} is not connected to network {network.name}")
        del container.endpoints[network.name]
        self._world.network_event(network, "disconnect", container.id)
        return Response(200)

    async def volumes(self, request: Request) -> Response:
        wanted = filters.parse(request.arg("filters"), frozenset(("dangling", "driver", "label", "name")))
        found = []
        for volume in self._world.volumes.values():
            unused = not net.volume_users(self._world, volume.name)
            if (
                filters.labels_fit(wanted.get("label", []), volume.labels or {})
                and ("name" not in wanted or filters.any_fits(wanted["name"], volume.name))
                and ("driver" not in wanted or "local" in wanted["driver"])
                and ("dangling" not in wanted or unused == filters.flag(wanted, "dangling"))
            ):
                found.append(volume)
        return json_response({"Volumes": [image_views.volume(volume) for volume in found], "Warnings": None})

    async def volume(self, request: Request) -> Response:
        return json_response(image_views.volume(self._world.volume(request.match["name"])))

    async def create_volume(self, request: Request) -> Response:
        body: Json = request.json() or {}
        given = str(body.get("Name") or "")
        name = given or self._world.new_id("volume")
        if name not in self._world.volumes:
            options = body.get("DriverOpts") or None
            labels = body.get("Labels")
            made = Volume(name, self._world.now, labels, options, anonymous=not given)
            self._world.volumes[name] = made
        self._world.emit("volume", "create", name, {"driver": "local"})
        return json_response(image_views.volume(self._world.volumes[name]), 201)

    async def remove_volume(self, request: Request) -> Response:
        name = request.match["name"]
        if truthy(request.arg("force")) and name not in self._world.volumes:
            return Response(204)
        volume = self._world.volume(name)
        if users := net.volume_users(self._world, name):
            ids = ", ".join(container.id for container in users)
            raise EngineError(409, f"remove {name}: volume is in use - [{ids}]")
        self._drop_volume(volume)
        return Response(204)

    def _drop_volume(self, volume: Volume) -> None:
        del self._world.volumes[volume.name]
        self._world.emit("volume", "destroy", volume.name, {"driver": "local"})

    async def prune_volumes(self, request: Request) -> Response:
        """Unused volumes; since 1.42 only those without a name, unless `all` is set."""
        wanted = filters.parse(request.arg("filters"), frozenset(("all", "label", "label!")))
        named = api_version(request) < (1, 42) or filters.flag(wanted, "all")
        gone, reclaimed = [], 0
        for volume in list(self._world.volumes.values()):
            labels = volume.labels or {}
            kept = bool(net.volume_users(self._world, volume.name)) or not (named or volume.anonymous)
            kept = kept or not filters.labels_fit(wanted.get("label", []), labels)
            kept = kept or any(filters.labels_fit([label], labels) for label in wanted.get("label!", []))
            if not kept:
                self._drop_volume(volume)
                gone.append(volume.name)
                reclaimed += volume.size
        self._world.emit("volume", "prune", "", {"reclaimed": str(reclaimed)})
        return json_response({"VolumesDeleted": gone or None, "SpaceReclaimed": reclaimed})
