"""A registry for the adapter's tests: the practice one, or a real one, behind the same face."""

from __future__ import annotations

import base64
import itertools
import json
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx

from quarterdeck_adapters.base import Context, SourceConfig
from quarterdeck_adapters.registry.source import RegistrySource
from quarterdeck_config.schema import Config
from quarterdeck_demo.oci import Blob, Image, build_image, build_index, digest
from quarterdeck_demo.registry import RegistryServer
from quarterdeck_demo.server import Server
from quarterdeck_lifecycle.hub import Hub
from quarterdeck_lifecycle.kinds import Tag
from quarterdeck_lifecycle.ledger import Actor, Ledger
from quarterdeck_lifecycle.operate import Operator
from quarterdeck_lifecycle.policy import Policy
from quarterdeck_lifecycle.records import Ref
from quarterdeck_lifecycle.state import StateDB
from quarterdeck_lifecycle.verbs import Registry, built_in

NOW = 1_795_412_000.0
_numbers = itertools.count(1)
LABELS = {
    "org.opencontainers.image.revision": "deadbeef" * 5,
    "org.opencontainers.image.source": "https://git.example.com/team/api",
    "org.opencontainers.image.version": "4.2",
}


class Rig:
    """One registry with a repository of the test's own."""

    def __init__(self, url: str, *, server: Server | None = None, app: RegistryServer | None = None) -> None:
        self.url, self.server, self.app = url, server, app
        self.host = url.partition("://")[2]
        number = next(_numbers)
        self.repository, self.other = f"qd{number}/api", f"qd{number}/other"
        self.sources: list[RegistrySource] = []
        self.http = httpx.AsyncClient(base_url=url, trust_env=False, verify=False, timeout=30)

    @property
    def real(self) -> bool:
        """Whether it is a real registry."""
        return self.server is None

    def source(self, **config: Any) -> RegistrySource:
        """A source that looks at the test's repository alone, unless `repos` says otherwise."""
        made = make_source(self.url, **{"repos": (self.repository,), **config})
        self.sources.append(made)
        return made

    def image(self, content: str, repository: str = "", **options: Any) -> Image:
        """An image whose layer holds `content`."""
        options = {"labels": LABELS, "created": NOW, **options}
        return build_image(repository or self.repository, ["x"], layers=[{"srv/data": content.encode()}], **options)

    async def push(self, image: Image, *tags: str) -> str:
        """Push an image under tags; its digest."""
        await self.push_blobs(image)
        for tag in tags:
            await self.put(image.repository, tag, image.manifest)
        return image.manifest.digest

    async def push_blobs(self, image: Image) -> None:
        """Push what a manifest refers to."""
        for blob in (image.config, *image.layers):
            started = await self.http.post(f"/v2/{image.repository}/blobs/uploads/")
            place = f"{started.headers['location']}&digest={digest(blob.data)}"
            (await self.http.put(place, content=blob.data)).raise_for_status()

    async def push_index(self, tag: str, *images: Image, platforms: Sequence[str] = ("arm64", "amd64")) -> str:
        """Push an index of images under a tag; its digest."""
        for image in images:
            await self.push_blobs(image)
            await self.put(image.repository, image.manifest.digest, image.manifest)
        index = build_index([(image.manifest, name) for image, name in zip(images, platforms, strict=True)])
        await self.put(images[0].repository, tag, index)
        return index.digest

    async def put(self, repository: str, reference: str, manifest: Blob) -> None:
        """Put a manifest, as somebody else does it."""
        path = f"/v2/{repository}/manifests/{reference}"
        sent = await self.http.put(path, content=manifest.data, headers={"Content-Type": manifest.media_type})
        sent.raise_for_status()

    async def close(self) -> None:
        """Close what was made here."""
        for source in self.sources:
            await source.close()
        await self.http.aclose()
        if self.server is not None:
            await self.server.stop()
            assert self.server.errors == []


async def practice_rig(**options: Any) -> Rig:
    """The practice registry, empty; `options` go to it."""
    app = RegistryServer(None, lambda: NOW, **options)
    server = Server(app.handler, faults=app.faults)
    return Rig(f"http://127.0.0.1:{await server.start_tcp()}", server=server, app=app)


def make_source(url: str, **config: Any) -> RegistrySource:
    """A source on an address; `secret` and `env` go to its context."""
    secret, env = config.pop("secret", lambda _: ""), config.pop("env", {})
    context = Context(secret=secret, env=env, config=Config(), project="/", now=time.time)
    return RegistrySource(SourceConfig(name="reg", system="registry", url=url, **config), context)


async def tags(source: RegistrySource) -> dict[str, Tag]:
    """The rows by name."""
    return {row.name: row for row in (await source.list("tag")).rows if isinstance(row, Tag)}


def ref(repository: str, tag: str) -> Ref:
    """The ref of a tag."""
    return Ref("reg", "tag", f"{repository}:{tag}")


class Desk:
    """An operator with a ledger, on one source."""

    def __init__(self, source: RegistrySource, folder: Path) -> None:
        self.db = StateDB(folder)
        self.ledger = Ledger(self.db, Actor.current(), lambda text: text)
        self.registry = Registry(built_in())
        self.operator = Operator(Hub([source]), self.registry, Policy(), self.ledger)

    async def preview(self, verb: str, target: Ref, **args: str) -> Any:
        """The preview of a verb."""
        known = self.registry.get(verb)
        assert known is not None
        return await self.operator.preview(known, target, args)

    async def phases(self) -> list[tuple[str, str]]:
        """What is in the ledger, the oldest first."""
        return [(row.phase, row.result.partition(":")[0]) for row in reversed(await self.ledger.rows())]


@asynccontextmanager
async def desk(source: RegistrySource, folder: Path) -> AsyncIterator[Desk]:
    """A desk that is closed again."""
    made = Desk(source, folder)
    try:
        yield made
    finally:
        await made.db.aclose()


def docker(folder: Path, **config: Any) -> dict[str, str]:
    """An environment whose Docker has this config."""
    (folder / ".docker").mkdir()
    (folder / ".docker" / "config.json").write_text(json.dumps(config))
    return {"HOME": str(folder), "PATH": str(folder)}


def auth_of(user: str, password: str) -> dict[str, str]:
    """An entry of Docker's config."""
    return {"auth": base64.b64encode(f"{user}:{password}".encode()).decode()}
