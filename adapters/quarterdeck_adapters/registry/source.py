"""An OCI registry as a source of tags."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from quarterdeck_adapters.base import Context, SourceConfig
from quarterdeck_adapters.registry.client import RegistryClient
from quarterdeck_adapters.registry.content import CONFIGS, Json, child, children, chosen, is_index, parse, section
from quarterdeck_adapters.registry.inventory import Inventory
from quarterdeck_adapters.registry.reference import split_id
from quarterdeck_lifecycle.errors import NotFound, Unsupported
from quarterdeck_lifecycle.ports import Action, Listing, Probe, Section
from quarterdeck_lifecycle.records import Record, Ref

REST_S, BUSY_S = 30.0, 2.0


class RegistrySource:
    """One registry: its repositories' tags, with digest, size, labels and platforms."""

    system = "registry"
    kinds = ("tag",)

    def __init__(self, config: SourceConfig, context: Context) -> None:
        self.name = config.name
        self.environment = config.environment or ""
        self.client = RegistryClient(config, context)
        self.address = self.client.url
        self.inventory = Inventory(self.client, config, self.environment)
        self.deletes_refused = ""
        self._config = config
        self._actions: Mapping[str, Action] | None = None

    async def probe(self) -> Probe:
        """Whether it is a registry and lets us in (`GET /v2/`). Raises QuarterdeckError."""
        answer = await self.client.ping()
        version = answer.headers.get("docker-distribution-api-version", "")
        named = version or "json" in answer.headers.get("content-type", "")
        warnings = [] if named else ["it answers /v2/ without saying that it is a registry"]
        if self._config.insecure:
            warnings.append("its certificate is not verified (insecure: true)")
        return Probe(
            version=version or "distribution-spec",
            identity=f"registry {self.client.host}",
            evidence=f"{self.address}/v2/ answered {answer.status}",
            warnings=tuple(warnings),
            can={"tag.delete": self.deletes_refused or None},
        )

    async def list(self, kind: str) -> Listing:
        """All tags. Raises QuarterdeckError."""
        if kind != "tag":
            raise Unsupported(f"no {kind} in a registry", source=self.name)
        return await self.inventory.listing()

    def interval(self, kind: str, rows: Sequence[Record]) -> float:  # noqa: ARG002 - part of the port
        """Seconds to the next poll; soon while digests are still to be read."""
        rest = self._config.interval or REST_S
        return min(rest, BUSY_S) if self.inventory.pending else rest

    def place(self, ref: Ref) -> tuple[str, str]:
        """Repository and tag of a ref of this source. Raises NotFound, Unsupported."""
        if ref.source != self.name:
            raise NotFound(f"{ref} is not of this registry", source=self.name)
        if ref.kind != "tag":
            raise Unsupported(f"no {ref.kind} in a registry", source=self.name)
        try:
            return split_id(ref.id)
        except ValueError as error:
            raise NotFound(f"{ref.id} is no tag of a repository", source=self.name) from error

    async def describe(self, ref: Ref) -> Sequence[Section]:
        """The tabs of a tag. Raises QuarterdeckError."""
        from quarterdeck_adapters.registry.describe import describe

        repository, tag = self.place(ref)
        head = await self.client.head(repository, tag)
        if head is None:
            raise NotFound(f"{ref.id} is gone", source=self.name)
        manifest = await self.client.manifest(repository, head.digest)
        detail = await self.inventory.detail(repository, head.digest)
        twins = [
            other for (name, other), known in self.inventory.known.items()
            if name == repository and other != tag and known.digest == head.digest
        ]  # fmt: skip
        row = self.inventory.row(repository, tag, head, twins)
        return describe(row, detail, manifest, await self._config_of(repository, parse(manifest.data), head.media_type))

    async def _config_of(self, repository: str, document: Json, media_type: str) -> Json:
        if is_index(media_type, document):
            one = chosen(children(document))
            if one is None:
                return {}
            try:
                document = parse((await self.client.manifest(repository, one.digest)).data)
            except NotFound:
                return {}
        named = child(section(document.get("config")))
        if not named.digest or named.media_type not in CONFIGS:
            return {}
        return section(await self.client.config(repository, named.digest))

    @property
    def actions(self) -> Mapping[str, Action]:
        """The mutations, by the ids of their verbs."""
        if self._actions is None:
            from quarterdeck_adapters.registry.copying import CopyTag
            from quarterdeck_adapters.registry.deleting import DeleteTag

            self._actions = {"tag.copy": CopyTag(self), "tag.delete": DeleteTag(self)}
        return self._actions

    async def close(self) -> None:
        """Let go of every connection."""
        await self.client.close()
