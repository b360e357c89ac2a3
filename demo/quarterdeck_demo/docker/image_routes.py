"""Handlers of the image operations: https://docs.docker.com/reference/api/engine/version/v1.47/#tag/Image."""

from __future__ import annotations

import base64
import json

from quarterdeck_demo.docker import disk, filters, image_views, images, pull, references, supply
from quarterdeck_demo.docker.settings import EngineSettings, api_version
from quarterdeck_demo.docker.state import Image
from quarterdeck_demo.docker.supply import NoManifest, NoRegistry, Supply
from quarterdeck_demo.docker.wire import EngineError, truthy
from quarterdeck_demo.docker.world import World
from quarterdeck_demo.messages import Request, Response, json_response
from quarterdeck_demo.router import Router

STREAM = {"Content-Type": "application/json"}


class ImageRoutes:
    """The handlers of /images, /distribution and /auth. `failures` maps references to a pull's or push's error."""

    def __init__(self, world: World, settings: EngineSettings, registry: Supply, failures: dict[str, str]) -> None:
        self._world = world
        self._settings = settings
        self._registry = registry
        self._failures = failures

    def add_to(self, router: Router) -> None:
        """Register the routes."""
        router.add("GET", "/images/json", self.list)
        router.add("POST", "/images/create", self.create)
        router.add("POST", "/images/prune", self.prune)
        router.add("GET", "/images/{name*}/json", self.inspect)
        router.add("GET", "/images/{name*}/history", self.history)
        router.add("POST", "/images/{name*}/tag", self.tag)
        router.add("POST", "/images/{name*}/push", self.push)
        router.add("DELETE", "/images/{name*}", self.remove)
        router.add("GET", "/distribution/{name*}/json", self.distribution)
        router.add("POST", "/auth", self.auth)

    async def list(self, request: Request) -> Response:
        wanted = filters.parse(request.arg("filters"), images.LIST_FILTERS)
        api = api_version(request)
        return json_response([image_views.summary(image, api) for image in images.listed(self._world, wanted)])

    async def inspect(self, request: Request) -> Response:
        return json_response(image_views.inspect(self._find(request), api_version(request)))

    async def history(self, request: Request) -> Response:
        return json_response(image_views.history(self._find(request)))

    def _find(self, request: Request) -> Image:
        name = request.match["name"]
        try:
            return self._world.image(name)
        except EngineError as error:
            if api_version(request) >= (1, 44) or not request.path.endswith("/json"):
                raise
            raise EngineError(error.status, f"no such image: {name}: {error.message}") from None

    async def create(self, request: Request) -> Response:
        if request.arg("fromSrc"):
            return self._imported(request)
        reference = references.parse(request.arg("fromImage"), request.arg("tag"))
        remote = pull.resolve(self._registry, reference)
        failure = self._failures.get(str(reference), "") or disk.no_room(self._world, self._settings, remote)
        delay = self._settings.pull_delay
        return Response(200, STREAM, pull.pull(self._world, reference, remote, delay, failure))

    def _imported(self, request: Request) -> Response:
        if request.arg("fromSrc") != "-":
            raise EngineError(500, f'Get "{request.arg("fromSrc")}": there is no network here')
        image = supply.imported(request.body, request.query.get("changes", []), self._world.now)
        self._world.images[image.id] = image
        if request.arg("repo"):
            images.add_tag(self._world, image, references.parse(request.arg("repo"), request.arg("tag")))
        self._world.emit("image", "import", image.id, {**image.labels, "name": image.id})
        return Response(200, STREAM, json.dumps({"status": image.id}).encode() + b"\r\n")

    async def tag(self, request: Request) -> Response:
        image = self._world.image(request.match["name"])
        try:
            reference = references.parse(request.arg("repo"), request.arg("tag"))
        except EngineError as error:
            raise EngineError(500 if api_version(request) < (1, 44) else 400, error.message) from None
        images.add_tag(self._world, image, reference)
        return Response(201)

    async def push(self, request: Request) -> Response:
        _check_auth(request)
        reference = references.parse(request.match["name"], request.arg("tag"))
        failure = self._failures.get(str(reference), "")
        delay = self._settings.pull_delay
        return Response(200, STREAM, pull.push(self._world, reference, self._registry, delay, failure))

    async def remove(self, request: Request) -> Response:
        gone = images.remove(self._world, request.match["name"], force=truthy(request.arg("force")))
        return json_response(gone)

    async def prune(self, request: Request) -> Response:
        wanted = filters.parse(request.arg("filters"), images.PRUNE_FILTERS)
        deleted, reclaimed = images.prune(self._world, wanted)
        self._world.emit("image", "prune", "", {"reclaimed": str(reclaimed)})
        return json_response({"ImagesDeleted": deleted or None, "SpaceReclaimed": reclaimed})

    async def distribution(self, request: Request) -> Response:
        _check_auth(request)
        reference = references.parse(request.match["name"])
        try:
            image = self._registry.find(reference)
        except NoRegistry as error:
            raise EngineError(500, str(error)) from None
        except NoManifest:
            raise EngineError(404, "manifest unknown: manifest unknown") from None
        top = image.index or image.manifest
        platforms = [{"architecture": image.settings["architecture"], "os": image.settings["os"]}]
        if image.index is not None:
            platforms = [entry["platform"] for entry in json.loads(image.index.data)["manifests"]]
        return json_response({"Descriptor": top.descriptor, "Platforms": platforms})

    async def auth(self, request: Request) -> Response:
        body = request.json() or {}
        address = str(body.get("serveraddress") or "https://index.docker.io/v1/")
        host = address.partition("://")[2].partition("/")[0] if "://" in address else address.partition("/")[0]
        try:
            self._registry.reach(references.Reference(f"{host}/any" if host != "index.docker.io" else "any"))
        except NoRegistry as error:
            raise EngineError(500, str(error)) from None
        return json_response({"IdentityToken": "", "Status": "Login Succeeded"})


def _check_auth(request: Request) -> None:
    """X-Registry-Auth is base64url JSON; raises EngineError 400 for anything else."""
    text = request.header("x-registry-auth")
    if not text:
        return
    try:
        json.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)) or b"{}")
    except ValueError:
        raise EngineError(400, "Bad parameters and missing X-Registry-Auth: invalid X-Registry-Auth header") from None
