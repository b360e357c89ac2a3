"""The registry's HTTP API, each call with what the registry wants to see first.

https://github.com/opencontainers/distribution-spec/blob/main/spec.md
"""

from __future__ import annotations

from collections.abc import Awaitable, Mapping, Sequence
from contextlib import suppress
from contextvars import ContextVar
from typing import Any
from urllib.parse import quote, urljoin, urlsplit

import msgspec

from quarterdeck_adapters.base import Context, SourceConfig
from quarterdeck_adapters.http import Answer, HttpClient, failure
from quarterdeck_adapters.registry.auth import Authorizer, read_challenge
from quarterdeck_adapters.registry.reference import digest_of, is_digest
from quarterdeck_lifecycle.errors import AuthFailed, Malformed, NotFound, QuarterdeckError, Timeout, Unavailable

DOCKER_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
DOCKER_LIST = "application/vnd.docker.distribution.manifest.list.v2+json"
OCI_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
OCI_INDEX = "application/vnd.oci.image.index.v1+json"
INDEXES = (DOCKER_LIST, OCI_INDEX)
ACCEPT = ", ".join((DOCKER_MANIFEST, DOCKER_LIST, OCI_MANIFEST, OCI_INDEX))
"""Without it a registry answers with a manifest of another schema, and so with another digest."""
DEADLINE_S = 10.0
MOST_MANIFEST = 4 << 20
MOST_PAGES = 50

_authorization: ContextVar[str] = ContextVar("registry_authorization", default="")


class Head(msgspec.Struct, frozen=True):
    """What a tag or digest stands for."""

    digest: str
    media_type: str


class Manifest(msgspec.Struct, frozen=True):
    """A manifest as it is stored: the digest is that of these bytes."""

    digest: str
    media_type: str
    data: bytes


class RegistryClient:
    """Calls below `/v2/`. All raise QuarterdeckError."""

    def __init__(self, config: SourceConfig, context: Context, *, deadline: float | None = None) -> None:
        self.source = config.name
        self.url = (config.url or "http://127.0.0.1:5000").rstrip("/")
        self.host = urlsplit(self.url).netloc
        self.deadline = deadline or config.deadline or DEADLINE_S
        self.auth = Authorizer(config, context, self.url, self.deadline)
        self.http = HttpClient(
            config.name,
            self.url,
            headers=self._headers,
            deadline=self.deadline,
            plain_http=config.plain_http,
            ca_file=config.ca_file or "",
            insecure=config.insecure,
        )

    async def _headers(self) -> Mapping[str, str]:
        # By this way the header goes to the registry alone: a blob's redirect leads to another host.
        value = _authorization.get()
        return {"Authorization": value} if value else {}

    async def ask(
        self, method: str, path: str, *, scope: str = "", ok: Sequence[int] = (), what: str = "", **options: Any
    ) -> Answer:
        """One call, and once more when it is challenged. Status 400 and above raise unless in `ok`."""
        sent = await self.auth.known(scope)
        answer = await self._send(method, path, sent, options)
        if answer.status == 401:
            challenge = read_challenge(answer.headers.get("www-authenticate", ""))
            async with self.auth.lock:
                proof = await self.auth.known(scope)
                if not proof or proof == sent:
                    proof = await self.auth.answer(challenge, scope)
            if proof and proof != sent:
                answer = await self._send(method, path, proof, options)
        if answer.status == 401:
            self.auth.refused(scope)
            error = failure(answer, what or f"{method} {urlsplit(path).path}")
            raise AuthFailed(error.what, source=self.source, why=error.why, mend=self.auth.mend)
        if answer.status >= 400 and answer.status not in ok:
            raise failure(answer, what or f"{method} {urlsplit(path).path}")
        return answer

    async def _send(self, method: str, path: str, proof: str, options: dict[str, Any]) -> Answer:
        mark = _authorization.set(proof)
        try:
            # Any other status of 400 and above is judged by `ask`, in the registry's own words.
            return await self.http.request(method, path, ok=range(400, 600), **options)
        finally:
            _authorization.reset(mark)

    async def ping(self) -> Answer:
        """`GET /v2/`: whether it is a registry, and lets us in."""
        return await self.ask("GET", "/v2/")

    async def pages(self, path: str, field: str, scope: str, most: int) -> tuple[list[str], bool]:
        """The strings under `field` of all pages, each once, and whether there are more than `most`.

        Raises Malformed when the answer has no such field. Pages that bring nothing new end it.
        """
        found: dict[str, None] = {}
        url = path
        for _ in range(MOST_PAGES):
            answer = await self.ask("GET", url, scope=scope)
            body = await answer.json()
            values = body.get(field, ...) if isinstance(body, dict) else ...
            if values is not None and not isinstance(values, list):
                raise Malformed(
                    f"{urlsplit(url).path} sent no {field}", source=self.source, mend="check that this is a registry"
                )
            before = len(found)
            found.update(dict.fromkeys(value for value in values or () if isinstance(value, str)))
            following = answer.next_link()
            if len(found) > most:
                return list(found)[:most], True
            if not following or len(found) == before:
                return list(found), False
            url = self._own(urljoin(answer.url, following))
        return list(found), True

    def _own(self, url: str) -> str:
        """A path that the registry named, on its own host: a proxy may make it name another one or plain http."""
        try:
            here, there = urlsplit(self.url), urlsplit(url)
        except ValueError as error:
            raise Malformed("the registry named no address to go on at", source=self.source) from error
        return there._replace(scheme=here.scheme, netloc=here.netloc).geturl()

    async def catalog(self, most: int) -> tuple[list[str], bool]:
        """Names of repositories, and whether there are more."""
        return await self.pages("/v2/_catalog?n=100", "repositories", "registry:catalog:*", most)

    async def tags(self, repository: str, most: int) -> tuple[list[str], bool]:
        """Tags of a repository in no order, and whether there are more. NotFound for one that is unknown."""
        return await self.pages(f"/v2/{quote(repository)}/tags/list?n=1000", "tags", pull(repository), most)

    async def head(self, repository: str, reference: str) -> Head | None:
        """What a tag or digest stands for now; None when there is no such manifest."""
        path = f"/v2/{quote(repository)}/manifests/{reference}"
        answer = await self.ask("HEAD", path, scope=pull(repository), ok=(404, 405), headers={"Accept": ACCEPT})
        if answer.status == 404:
            return None
        found = answer.headers.get("docker-content-digest", "")
        if answer.status == 405 or not is_digest(found):
            try:
                manifest = await self.manifest(repository, reference)
            except NotFound:
                return None
            return Head(manifest.digest, manifest.media_type)
        return Head(found, media_type(answer))

    async def manifest(self, repository: str, reference: str) -> Manifest:
        """A manifest with its bytes. Raises NotFound, and Malformed when the bytes are not those of the digest."""
        path = f"/v2/{quote(repository)}/manifests/{reference}"
        answer = await self.ask(
            "GET", path, scope=pull(repository), headers={"Accept": ACCEPT}, max_body=MOST_MANIFEST
        )  # fmt: skip
        named = reference if is_digest(reference) else answer.headers.get("docker-content-digest", "")
        real = digest_of(answer.body, named)
        if is_digest(named) and real != named:
            raise Malformed(
                f"the manifest of {repository}@{named[:19]} is not what its digest says", source=self.source,
                why=f"its bytes are {real[:19]}", mend="something between changes answers, or the registry is damaged",
            )  # fmt: skip
        return Manifest(real, media_type(answer), answer.body)

    async def config(self, repository: str, digest: str) -> Any:
        """An image's configuration. Raises NotFound, Malformed."""
        path = f"/v2/{quote(repository)}/blobs/{digest}"
        answer = await self.ask("GET", path, scope=pull(repository), max_body=MOST_MANIFEST)
        if digest_of(answer.body, digest) != digest:
            raise Malformed(f"the blob {digest[:19]} is not what its digest says", source=self.source)
        return await answer.json()

    async def put(self, repository: str, reference: str, manifest: Manifest) -> None:
        """Store a manifest under a tag or its digest. Needs a permit."""
        path = f"/v2/{quote(repository)}/manifests/{reference}"
        headers = {"Content-Type": manifest.media_type}
        await self.ask("PUT", path, scope=push(repository), content=manifest.data, headers=headers)

    async def mount(self, repository: str, digest: str, source: str) -> bool:
        """Link a blob of another repository. False when the registry opened an upload instead. Needs a permit."""
        path = f"/v2/{quote(repository)}/blobs/uploads/"
        scope = f"{push(repository)} {pull(source)}"
        answer = await self.ask("POST", path, scope=scope, params={"mount": digest, "from": source})
        if answer.status == 202 and (place := answer.headers.get("location", "")):
            with suppress(QuarterdeckError):
                await self.ask("DELETE", self._own(urljoin(answer.url, place)), scope=scope)
        return answer.status == 201

    async def delete(self, repository: str, digest: str) -> int:
        """Delete a manifest and with it every tag on it; the status, also 404 and 405. Needs a permit."""
        path = f"/v2/{quote(repository)}/manifests/{digest}"
        answer = await self.ask("DELETE", path, scope=f"repository:{repository}:delete", ok=(404, 405))
        return answer.status

    async def close(self) -> None:
        """Close every connection."""
        await self.http.close()


async def settled(write: Awaitable[None]) -> str:
    """What went wrong with the answer to a write, in words; empty when nothing did.

    It may have taken effect all the same, so that reading back says how it ended. Raises every other error.
    """
    try:
        await write
    except Timeout:
        raise
    except Unavailable as error:
        return f"the answer was lost: {error.short}"
    return ""


def pull(repository: str) -> str:
    """The scope of reading a repository."""
    return f"repository:{repository}:pull"


def push(repository: str) -> str:
    """The scope of writing to a repository."""
    return f"repository:{repository}:pull,push"


def media_type(answer: Answer) -> str:
    """The media type of an answer without its parameters."""
    return answer.headers.get("content-type", "").partition(";")[0].strip()
