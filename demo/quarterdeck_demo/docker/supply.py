"""Where images come from and go to: the practice registry, the story's public images, tar files."""

from __future__ import annotations

import io
import json
import shlex
import tarfile
from datetime import datetime
from typing import Any

from quarterdeck_demo import oci
from quarterdeck_demo.docker import templates
from quarterdeck_demo.docker.references import Reference
from quarterdeck_demo.docker.state import Image, Json
from quarterdeck_demo.docker.wire import EngineError
from quarterdeck_demo.registry.errors import RegistryError
from quarterdeck_demo.registry.store import INDEXES, Store


class NoRegistry(Exception):
    """The registry's host does not answer; the text is Go's."""


class NoManifest(Exception):
    """The registry does not have it."""


class Supply:
    """Registries as the engine reaches them: the team's at `host` with all that is pushed there, and public ones."""

    def __init__(self, host: str, store: Store, public: tuple[oci.Image, ...] = ()) -> None:
        self.host = host
        self.store = store
        self._public = {(image.repository, tag): image for image in public for tag in image.tags}

    def find(self, reference: Reference) -> oci.Image:
        """The image behind a reference. Raises NoRegistry or NoManifest."""
        if reference.domain != self.host:
            for (name, tag), image in self._public.items():
                if name == reference.name and (tag == reference.tag or image.digest == reference.digest):
                    return image
            self.reach(reference)
        try:
            top, _ = self.store.manifest(reference.path, reference.digest or reference.tag)
            index = None
            manifest = top
            if top.media_type in INDEXES:
                index = top
                entries = json.loads(top.data)["manifests"]
                chosen = next((e for e in entries if e["platform"]["architecture"] == "amd64"), entries[0])
                manifest, _ = self.store.manifest(reference.path, chosen["digest"])
            document: Json = json.loads(manifest.data)
            config = self._blob(reference.path, document["config"])
            layers = tuple(self._blob(reference.path, layer) for layer in document["layers"])
        except RegistryError:
            raise NoManifest from None
        return oci.Image(reference.path, (reference.tag,), manifest, config, layers, index)

    def send(self, reference: Reference, image: Image) -> tuple[str, int]:
        """Push: digest and size of the manifest. Raises NoRegistry."""
        if reference.domain != self.host or image.source is None:
            self.reach(reference)
        assert image.source is not None
        source = image.source
        pushed = oci.Image(reference.path, (reference.tag,), source.manifest, source.config, source.layers)
        self.store.push(pushed)
        return source.manifest.digest, len(source.manifest.data)

    def reach(self, reference: Reference) -> None:
        """Raises NoRegistry for every host but the team's: there is no network in the practice world."""
        domain = reference.domain
        if domain == self.host:
            return
        url = "https://registry-1.docker.io/v2/" if domain == "docker.io" else f"https://{domain}/v2/"
        name = url.split("/")[2].partition(":")[0]
        raise NoRegistry(f'Get "{url}": dial tcp: lookup {name}: no such host')

    def _blob(self, repository: str, descriptor: Json) -> oci.Blob:
        return oci.Blob(descriptor["mediaType"], self.store.blob(repository, descriptor["digest"]))


def local_image(source: oci.Image) -> Image:
    """An image as the engine keeps it after a pull; without names."""
    settings = source.settings
    return Image(
        id=source.id,
        created=datetime.fromisoformat(settings["created"][:19] + "+00:00").timestamp(),
        size=sum(unpacked(layer) for layer in source.layers),
        config=templates.config(settings["config"]),
        layers=list(settings["rootfs"]["diff_ids"]),
        history=list(settings.get("history") or []),
        architecture=settings.get("architecture", "amd64"),
        source=source,
    )


def unpacked(layer: oci.Blob) -> int:
    """Bytes of a gzipped layer when unpacked: the last four bytes of the file say it (RFC 1952)."""
    return int.from_bytes(layer.data[-4:], "little")


def imported(data: bytes, changes: list[str], now: float, repository: str = "imported") -> Image:
    """An image of one layer from a tar file, with Dockerfile instructions. Raises EngineError."""
    files: dict[str, bytes] = {}
    try:
        with tarfile.open(fileobj=io.BytesIO(data)) as archive:
            for member in archive.getmembers():
                content = archive.extractfile(member) if member.isfile() else None
                if content is not None:
                    files[member.name] = content.read()
    except tarfile.TarError as error:
        raise EngineError(500, f"Error processing tar file(exit status 1): {error}") from None
    config = _changed(changes)
    source = oci.build_image(
        repository,
        (),
        created=now,
        layers=[files],
        env=config.get("Env", []),
        cmd=config.get("Cmd", []),
        entrypoint=config.get("Entrypoint", []),
        labels=config.get("Labels", {}),
        ports=list(config.get("ExposedPorts", {})),
        user=config.get("User", ""),
        workdir=config.get("WorkingDir", ""),
        healthcheck=config.get("Healthcheck"),
        docker=True,
    )
    image = local_image(source)
    image.config["Volumes"] = config.get("Volumes")
    if "StopSignal" in config:
        image.config["StopSignal"] = config["StopSignal"]
    return image


def _changed(changes: list[str]) -> Json:
    config: Json = {}
    for change in changes:
        word, _, rest = change.strip().partition(" ")
        word, rest = word.upper(), rest.strip()
        if word in ("CMD", "ENTRYPOINT"):
            config["Cmd" if word == "CMD" else "Entrypoint"] = _command(rest)
        elif word in ("ENV", "LABEL"):
            pairs = dict(part.partition("=")[::2] for part in shlex.split(rest))
            if word == "ENV":
                config.setdefault("Env", []).extend(f"{key}={value}" for key, value in pairs.items())
            else:
                config.setdefault("Labels", {}).update(pairs)
        elif word == "EXPOSE":
            ports: Json = {port if "/" in port else f"{port}/tcp": {} for port in rest.split()}
            config.setdefault("ExposedPorts", {}).update(ports)
        elif word == "VOLUME":
            names = json.loads(rest) if rest.startswith("[") else rest.split()
            config.setdefault("Volumes", {}).update({name: {} for name in names})
        elif word == "HEALTHCHECK":
            config["Healthcheck"] = _healthcheck(rest)
        elif word in ("USER", "WORKDIR", "STOPSIGNAL"):
            config[{"USER": "User", "WORKDIR": "WorkingDir", "STOPSIGNAL": "StopSignal"}[word]] = rest
        else:
            raise EngineError(400, f"{word} is not a valid change command")
    return config


def _healthcheck(text: str) -> Json:
    check: Json = {}
    units = {"ms": 10**6, "s": 10**9, "m": 60 * 10**9}
    fields = {"interval": "Interval", "timeout": "Timeout", "start-period": "StartPeriod", "retries": "Retries"}
    while text.startswith("--"):
        flag, _, text = text[2:].partition(" ")
        name, _, value = flag.partition("=")
        text = text.strip()
        unit = next((u for u in units if value.endswith(u)), "")
        check[fields[name]] = int(float(value.removesuffix(unit)) * units[unit]) if unit else int(value)
    kind, _, rest = text.partition(" ")
    if kind.upper() == "NONE":
        return {"Test": ["NONE"]}
    command = _command(rest.strip())
    test = ["CMD-SHELL", command[2]] if command[:2] == ["/bin/sh", "-c"] else ["CMD", *command]
    return {"Test": test, **check}


def _command(text: str) -> list[Any]:
    return list(json.loads(text)) if text.startswith("[") else ["/bin/sh", "-c", text]
