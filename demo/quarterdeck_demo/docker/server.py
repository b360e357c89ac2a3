"""The practice engine: the story's containers behind the Docker Engine API."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

from quarterdeck_demo.docker import lifecycle, seed, tick
from quarterdeck_demo.docker.container_routes import ContainerRoutes
from quarterdeck_demo.docker.exec_routes import ExecRoutes
from quarterdeck_demo.docker.image_routes import ImageRoutes
from quarterdeck_demo.docker.network_routes import NetworkRoutes
from quarterdeck_demo.docker.services import ServiceLife
from quarterdeck_demo.docker.settings import EngineSettings
from quarterdeck_demo.docker.state import Container, Image, Life
from quarterdeck_demo.docker.supply import Supply
from quarterdeck_demo.docker.system_routes import SystemRoutes
from quarterdeck_demo.docker.wire import EngineError
from quarterdeck_demo.docker.world import World
from quarterdeck_demo.faults import Faults
from quarterdeck_demo.messages import Request, Response
from quarterdeck_demo.registry.content import stock
from quarterdeck_demo.registry.store import Store
from quarterdeck_demo.router import Router
from quarterdeck_demo.story import Story


class DockerServer:
    """One engine. `handler` answers requests; what an operator does and what time brings changes `world`.

    `clock` gives epoch seconds. `store` is the content of the team's registry, shared with its server, so that what
    is pushed there can be pulled here; by default one of the engine's own. Without a story the engine is empty.
    """

    def __init__(
        self,
        story: Story | None,
        clock: Callable[[], float],
        faults: Faults | None = None,
        *,
        settings: EngineSettings | None = None,
        store: Store | None = None,
    ) -> None:
        self.faults = faults or Faults()
        self.settings = settings or EngineSettings()
        self.world = World(story.seed if story else 0, clock)
        self.pull_failures: dict[str, str] = {}
        """Reference to the error that ends a pull or push of it in the middle."""
        self._story = story
        if store is None:
            store = Store()
            if story is not None:
                stock(store, story)
        self.supply = Supply(story.registry if story else "127.0.0.1:5000", store, story.public_images if story else ())
        if story is not None:
            seed.fill(self.world, story)
            self.world.watchers.append(self._served)
        else:
            seed.predefined(self.world, clock())
        self._router = Router(_not_found)
        SystemRoutes(self.world, self.settings).add_to(self._router)
        ContainerRoutes(self.world, self.settings, self.life_for).add_to(self._router)
        ExecRoutes(self.world).add_to(self._router)
        ImageRoutes(self.world, self.settings, self.supply, self.pull_failures).add_to(self._router)
        NetworkRoutes(self.world).add_to(self._router)

    async def handler(self, request: Request) -> Response:
        """Answer one request."""
        tick.advance(self.world)
        try:
            response = await self._router(self.settings.unversioned(request))
        except EngineError as error:
            response = error.response()
        except (ValueError, TypeError, AttributeError) as error:
            if not request.body:
                raise
            response = EngineError(400, f"invalid JSON: {error}").response()
        for name, value in self.settings.headers.items():
            if response.header(name) is None:
                response.headers[name] = value
        if response.header("Content-Type") == "application/json; charset=utf-8":
            response.set_header("Content-Type", "application/json")
        return response

    def engine_restarted(self) -> None:
        """What a restart of the engine does: all streams end, all containers stop, those with a policy start again."""
        self.world.end_streams()
        for container in list(self.world.containers.values()):
            by_hand, policy = container.stopped_by_hand, container.host_config["RestartPolicy"]["Name"]
            if container.alive:
                container.stopped_by_hand = True
                lifecycle.died(self.world, container, container.life.on_signal("TERM") or 0)
            comes_back = policy == "always" or (policy == "unless-stopped" and not by_hand)
            if comes_back and container.runs and not container.gone and not container.alive:
                lifecycle.start(self.world, container)

    def life_for(self, container: Container, image: Image) -> Life | None:
        """What a new container of an image does, where it is one of the story's services."""
        return seed.life_for(self._story, container, image) if self._story else None

    def _served(self, container: Container, action: str) -> None:
        """Tell the story's timeline when most of a service's containers run another version than before."""
        if action not in ("start", "die") or not isinstance(container.life, ServiceLife) or self._story is None:
            return
        spec = container.life.spec
        alive = [c.life.spec for c in self.world.containers.values() if c.alive and isinstance(c.life, ServiceLife)]
        same = (spec.service, spec.environment)
        running = Counter(s.release for s in alive if s.release and (s.service, s.environment) == same)
        if not running:
            return
        release = running.most_common(1)[0][0]
        if self._story.timeline.version(*same, self.world.now) != release.version:
            self._story.timeline.deployed(self.world.now, *same, release.version, broken=release.broken)


async def _not_found(_request: Request) -> Response:
    return EngineError(404, "page not found").response()
