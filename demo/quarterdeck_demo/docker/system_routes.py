"""Handlers of the system, network and volume operations, and of Swarm's, which an engine outside a swarm refuses."""

from __future__ import annotations

from quarterdeck_demo.docker import events, filters, image_views, images, views
from quarterdeck_demo.docker.settings import EngineSettings, api_version
from quarterdeck_demo.docker.state import Json
from quarterdeck_demo.docker.stats import CPUS, HOST_MEMORY
from quarterdeck_demo.docker.wire import EngineError, rfc3339
from quarterdeck_demo.docker.world import World
from quarterdeck_demo.messages import Request, Response, json_response, text_response
from quarterdeck_demo.router import Router

NO_SWARM = (
    "This node is not a swarm manager. "
    'Use "docker swarm init" or "docker swarm join" to connect this node to swarm and try again.'
)
UNCACHED = {"Cache-Control": "no-cache, no-store, must-revalidate", "Pragma": "no-cache"}
COMMIT, GO, KERNEL, BUILT = "4c9b3b0", "go1.22.11", "6.1.0-28-amd64", "2025-01-22T13:41:48.000000000+00:00"


class SystemRoutes:
    """The handlers of /_ping, /version, /info, /events, /system, and Swarm's refusals."""

    def __init__(self, world: World, settings: EngineSettings) -> None:
        self._world = world
        self._settings = settings

    def add_to(self, router: Router) -> None:
        """Register the routes."""
        router.add("GET", "/_ping", self.ping)
        router.add("GET", "/version", self.version)
        router.add("GET", "/info", self.info)
        router.add("GET", "/events", self.events)
        router.add("GET", "/system/df", self.usage)
        router.add("POST", "/build/prune", self.prune_builds)
        for part in ("services", "tasks", "nodes", "secrets", "configs"):
            router.add("GET", f"/{part}", self.no_swarm)
            router.add("GET", f"/{part}/{{rest*}}", self.no_swarm)
            router.add("POST", f"/{part}/{{rest*}}", self.no_swarm)
            router.add("DELETE", f"/{part}/{{rest*}}", self.no_swarm)
        router.add("GET", "/swarm", self.no_swarm)

    async def ping(self, request: Request) -> Response:
        head = {**UNCACHED, "Builder-Version": "2", "Swarm": "inactive"}
        return text_response("" if request.method == "HEAD" else "OK", 200, head)

    async def version(self, _request: Request) -> Response:
        s = self._settings
        details = {
            "ApiVersion": f"{s.api[0]}.{s.api[1]}", "Arch": "amd64", "BuildTime": BUILT, "Experimental": "false",
            "GitCommit": COMMIT, "GoVersion": GO, "KernelVersion": KERNEL,
            "MinAPIVersion": f"{s.oldest[0]}.{s.oldest[1]}", "Os": "linux",
        }  # fmt: skip
        parts = (("containerd", "1.7.25"), ("runc", "1.2.4"), ("docker-init", "0.19.0"))
        components = [{"Name": "Engine", "Version": s.version, "Details": details}]
        components += [{"Name": name, "Version": v, "Details": {"GitCommit": v}} for name, v in parts]
        top = {k: v for k, v in details.items() if k != "Experimental"}
        return json_response({"Platform": {"Name": "Docker Engine - Community"}, "Components": components,
                              "Version": s.version, **top})  # fmt: skip

    async def info(self, _request: Request) -> Response:
        return json_response(engine_info(self._world, self._settings))

    async def events(self, request: Request) -> Response:
        wanted = filters.parse(request.arg("filters"), events.ALLOWED)
        since, until = events.window(request)
        return Response(200, {"Content-Type": "application/json"}, events.stream(self._world, since, until, wanted))

    async def usage(self, request: Request) -> Response:
        world, api = self._world, api_version(request)
        wanted = set(request.query.get("type", [])) if api >= (1, 42) else set()
        answer: Json = {"LayersSize": sum(image.size for image in world.images.values())}
        if not wanted or "image" in wanted:
            answer["Images"] = [
                image_views.summary(image, api, len(images.users(world, image)), 0)
                for image in images.listed(world, {})
            ]
        if not wanted or "container" in wanted:
            answer["Containers"] = [views.summary(world, c, api, size=True) for c in world.containers.values()]
        if not wanted or "volume" in wanted:
            answer["Volumes"] = [image_views.volume_usage(world, volume) for volume in world.volumes.values()]
        if not wanted or "build-cache" in wanted:
            answer["BuildCache"] = None if api < (1, 42) else []
        return json_response(answer | ({"BuilderSize": 0} if api < (1, 42) else {}))

    async def prune_builds(self, _request: Request) -> Response:
        return json_response({"CachesDeleted": None, "SpaceReclaimed": 0})

    async def no_swarm(self, _request: Request) -> Response:
        raise EngineError(503, NO_SWARM)


def engine_info(world: World, settings: EngineSettings) -> Json:
    """`GET /info`."""
    containers = list(world.containers.values())
    paused = sum(c.status == "paused" for c in containers)
    running = sum(c.running for c in containers) - paused
    info: Json = {
        "ID": "5b1f6e0c-5a3e-4f0e-9d5c-1f1a2b3c4d5e",
        "Containers": len(containers),
        "ContainersRunning": running,
        "ContainersPaused": paused,
        "ContainersStopped": len(containers) - running - paused,
        "Images": len(world.images),
        "Driver": "overlay2",
        "DriverStatus": [["Backing Filesystem", "extfs"], ["Supports d_type", "true"], ["userxattr", "false"]],
        "Plugins": {
            "Volume": ["local"],
            "Network": ["bridge", "host", "ipvlan", "macvlan", "null", "overlay"],
            "Authorization": None,
            "Log": ["awslogs", "fluentd", "gcplogs", "gelf", "journald", "json-file", "local", "splunk", "syslog"],
        },
    }
    able = ("MemoryLimit", "SwapLimit", "CpuCfsPeriod", "CpuCfsQuota", "CPUShares", "CPUSet", "PidsLimit",
            "IPv4Forwarding", "BridgeNfIptables", "BridgeNfIp6tables", "OomKillDisable")  # fmt: skip
    info |= dict.fromkeys(able, True)
    if settings.cgroup == 1:
        info |= {"KernelMemory": True, "KernelMemoryTCP": True}
    info |= {
        "Debug": False,
        "NFd": 42,
        "NGoroutines": 77,
        "SystemTime": rfc3339(world.now),
        "LoggingDriver": "json-file",
        "CgroupDriver": "systemd" if settings.cgroup == 2 else "cgroupfs",
        "CgroupVersion": str(settings.cgroup),
        "NEventsListener": len(world.listeners),
        "KernelVersion": KERNEL,
        "OperatingSystem": "Debian GNU/Linux 12 (bookworm)",
        "OSVersion": "12",
        "OSType": "linux",
        "Architecture": "x86_64",
        "IndexServerAddress": "https://index.docker.io/v1/",
        "RegistryConfig": {
            "AllowNondistributableArtifactsCIDRs": [],
            "AllowNondistributableArtifactsHostnames": [],
            "InsecureRegistryCIDRs": ["127.0.0.0/8"],
            "IndexConfigs": {"docker.io": {"Name": "docker.io", "Mirrors": [], "Secure": True, "Official": True}},
            "Mirrors": [],
        },
        "NCPU": CPUS,
        "MemTotal": HOST_MEMORY,
        "GenericResources": None,
        "DockerRootDir": views.ROOT,
        "HttpProxy": "",
        "HttpsProxy": "",
        "NoProxy": "",
        "Name": settings.name,
        "Labels": [],
        "ExperimentalBuild": False,
        "ServerVersion": settings.version,
        "Runtimes": {"io.containerd.runc.v2": {"path": "runc"}, "runc": {"path": "runc"}},
        "DefaultRuntime": "runc",
        "Swarm": {"NodeID": "", "NodeAddr": "", "LocalNodeState": "inactive", "ControlAvailable": False,
                  "Error": "", "RemoteManagers": None},
        "LiveRestoreEnabled": False,
        "Isolation": "",
        "InitBinary": "docker-init",
        "SecurityOptions": ["name=seccomp,profile=builtin", "name=cgroupns"],
        "DefaultAddressPools": [{"Base": "172.16.0.0/12", "Size": 24}],
        "Warnings": None,
    }  # fmt: skip
    for part, commit in (("ContainerdCommit", "1.7.25"), ("RuncCommit", "1.2.4"), ("InitCommit", "de40ad0")):
        info[part] = {"ID": commit, "Expected": commit}
    return info
