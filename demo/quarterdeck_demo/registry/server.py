"""The registry's HTTP API, answer for answer that of docker-registry 2.8.2 with deletes enabled.

Source: https://distribution.github.io/distribution/spec/api/ .
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING
from urllib.parse import quote, unquote

from quarterdeck_demo.faults import Faults
from quarterdeck_demo.gojson import go_json
from quarterdeck_demo.messages import Request, Response
from quarterdeck_demo.oci import DOCKER_INDEX, DOCKER_MANIFEST, OCI_INDEX, OCI_MANIFEST, Blob, digest, rfc3339
from quarterdeck_demo.registry.auth import Access, Auth, TokenAuth
from quarterdeck_demo.registry.content import stock
from quarterdeck_demo.registry.errors import VERSION, RegistryError, not_allowed, not_found, reply
from quarterdeck_demo.registry.schema1 import MEDIA_TYPE, schema1
from quarterdeck_demo.registry.store import DIGEST, Store, Upload

if TYPE_CHECKING:
    from quarterdeck_demo.story import Story

__all__ = ["RegistryServer"]

PART = r"[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*"
NAME = rf"(?P<name>{PART}(?:/{PART})*)"
LOOSE_DIGEST = r"[a-z0-9]+(?:[.+_-][a-z0-9]+)*:[a-zA-Z0-9=_-]+"
ROUTES = {
    "base": re.compile(r"/v2/"),
    "catalog": re.compile(r"/v2/_catalog"),
    "tags": re.compile(rf"/v2/{NAME}/tags/list"),
    "manifest": re.compile(rf"/v2/{NAME}/manifests/(?P<reference>\w[\w.-]{{0,127}}|{LOOSE_DIGEST})"),
    "blob": re.compile(rf"/v2/{NAME}/blobs/(?P<digest>{LOOSE_DIGEST})"),
    "uploads": re.compile(rf"/v2/{NAME}/blobs/uploads/"),
    "upload": re.compile(rf"/v2/{NAME}/blobs/uploads/(?P<upload>[a-zA-Z0-9\-_.=]+)"),
}
MAX_ENTRIES = 1000
NO_OCI = "OCI {0} found, but accept header does not support OCI {0}{1}"
Action = Callable[[Request], Awaitable[Response]]


class RegistryServer:
    """Repositories of the story and a few more; pushes, copies and deletes change `store`."""

    def __init__(
        self,
        story: Story | None,
        clock: Callable[[], float],
        faults: Faults | None = None,
        *,
        auth: Auth | None = None,
        store: Store | None = None,
        deletes: bool = True,
    ) -> None:
        self.clock = clock
        self.faults = faults or Faults()
        self.auth = auth
        self.deletes = deletes
        self.store = store or Store()
        if story is not None:
            stock(self.store, story)
        self.actions: dict[str, dict[str, Action]] = {
            "catalog": {"GET": self.catalog},
            "tags": {"GET": self.tags},
            "manifest": {
                "GET": self.get_manifest,
                "HEAD": self.get_manifest,
                "PUT": self.put_manifest,
                "DELETE": self.delete_manifest,
            },
            "blob": {"GET": self.get_blob, "HEAD": self.get_blob, "DELETE": self.delete_blob},
            "uploads": {"POST": self.start_upload},
            "upload": {
                "GET": self.upload_status,
                "HEAD": self.upload_status,
                "PATCH": self.append,
                "PUT": self.finish,
                "DELETE": self.cancel,
            },
        }

    async def handler(self, request: Request) -> Response:
        """Answer one request."""
        try:
            return await self.routed(request)
        except RegistryError as error:
            return error.response()

    async def routed(self, request: Request) -> Response:
        path = unquote(request.path)
        if path == "/":
            return Response(200, {"Cache-Control": "no-cache"})
        if path == "/token" and isinstance(self.auth, TokenAuth):
            return await self.auth.handle(request)
        if path == "/v2":
            head = {"Content-Type": "text/html; charset=utf-8", "Location": "/v2/", **VERSION}
            return Response(301, head, b'<a href="/v2/">Moved Permanently</a>.\n\n')
        for kind, pattern in ROUTES.items():
            found = pattern.fullmatch(path)
            if found is None:
                continue
            match = found.groupdict()
            if self.auth is not None:
                self.auth.check(request, wanted(kind, request, match))
            if kind == "base":
                return Response(200, {"Content-Type": "application/json; charset=utf-8", **VERSION}, b"{}")
            if kind == "blob" and not DIGEST.fullmatch(match["digest"]):
                raise RegistryError("DIGEST_INVALID", {})
            action = self.actions[kind].get(request.method)
            if action is None and kind == "uploads":
                raise RegistryError("BLOB_UPLOAD_UNKNOWN")
            if action is None and kind == "upload" and request.method == "POST":
                raise RegistryError("BLOB_UPLOAD_INVALID", {})
            if action is None:
                return not_allowed(list(self.actions[kind]))
            return await action(request._replace(match=match))
        return not_found()

    async def catalog(self, request: Request) -> Response:
        asked = request.arg("n")
        count = int(asked) if re.fullmatch(r"[+]?\d+", asked) else 100
        if count > MAX_ENTRIES:
            raise RegistryError("PAGINATION_NUMBER_INVALID", {"n": count})
        names = [name for name in self.store.names() if name > request.arg("last")]
        page = names[:count]
        headers = {}
        if page and len(names) > len(page):
            headers["Link"] = f'</v2/_catalog?last={quote(page[-1], safe="")}&n={count}>; rel="next"'
        return reply({"repositories": page}, headers=headers)

    async def tags(self, request: Request) -> Response:
        name = request.match["name"]
        return reply({"name": name, "tags": self.store.tag_list(name)})

    async def get_manifest(self, request: Request) -> Response:
        name, reference = request.match["name"], request.match["reference"]
        blob, by_tag = self.store.manifest(name, reference)
        if request.header("if-none-match").strip('"') == blob.digest:
            return Response(304, VERSION)
        accepted = {part.split(";")[0].strip() for part in request.header("accept").split(",")}
        for oci, kind, plural in ((OCI_MANIFEST, "manifest", "s"), (OCI_INDEX, "index", "es")):
            if blob.media_type == oci and oci not in accepted:
                raise RegistryError("MANIFEST_UNKNOWN", message=NO_OCI.format(kind, plural))
        if by_tag and blob.media_type == DOCKER_INDEX and DOCKER_INDEX not in accepted:
            blob = self.amd64(name, blob)
        if by_tag and blob.media_type == DOCKER_MANIFEST and DOCKER_MANIFEST not in accepted:
            manifest = json.loads(blob.data)
            config = self.store.blob(name, manifest["config"]["digest"])
            data, key = schema1(name, reference, manifest, config, self.clock())
            return self.manifest_response(Blob(MEDIA_TYPE, data), key)
        return self.manifest_response(blob, blob.digest)

    def manifest_response(self, blob: Blob, key: str) -> Response:
        head = {"Content-Type": blob.media_type, "Docker-Content-Digest": key, **VERSION, "Etag": f'"{key}"'}
        return Response(200, head, blob.data)

    def amd64(self, name: str, index: Blob) -> Blob:
        for entry in json.loads(index.data)["manifests"]:
            if entry["platform"].get("architecture") == "amd64" and entry["platform"].get("os") == "linux":
                return self.store.manifest(name, entry["digest"])[0]
        raise RegistryError("MANIFEST_UNKNOWN")

    async def put_manifest(self, request: Request) -> Response:
        name = request.match["name"]
        media_type = request.header("content-type").split(";")[0].strip()
        key = self.store.put_manifest(name, request.match["reference"], media_type, request.body)
        return self.created(request, f"/v2/{name}/manifests/{key}", key)

    async def delete_manifest(self, request: Request) -> Response:
        if not self.deletes:
            raise RegistryError("UNSUPPORTED")
        self.store.delete_manifest(request.match["name"], request.match["reference"])
        return Response(202, VERSION)

    async def get_blob(self, request: Request) -> Response:
        key = request.match["digest"]
        data = self.store.blob(request.match["name"], key)
        head = {
            "Accept-Ranges": "bytes",
            "Cache-Control": "max-age=31536000",
            "Content-Type": "application/octet-stream",
            "Docker-Content-Digest": key,
            **VERSION,
            "Etag": f'"{key}"',
        }
        if request.header("if-none-match").strip('"') == key:
            return Response(304, {k: v for k, v in head.items() if k not in ("Accept-Ranges", "Content-Type")})
        span = re.fullmatch(r"bytes=(\d+)-(\d*)", request.header("range"))
        if span is not None and int(span[1]) < len(data):
            start, end = int(span[1]), min(int(span[2] or len(data) - 1), len(data) - 1)
            head["Content-Range"] = f"bytes {start}-{end}/{len(data)}"
            return Response(206, head, data[start : end + 1])
        return Response(200, head, data)

    async def delete_blob(self, request: Request) -> Response:
        if not self.deletes:
            raise RegistryError("UNSUPPORTED")
        self.store.delete_blob(request.match["name"], request.match["digest"])
        return Response(202, VERSION)

    async def start_upload(self, request: Request) -> Response:
        name = request.match["name"]
        mounted = request.arg("mount")
        if mounted and self.store.mount(name, mounted, request.arg("from")):
            return self.created(request, f"/v2/{name}/blobs/{mounted}", mounted)
        key = self.store.start_upload(name, self.clock())
        return self.progress(request, key, self.store.uploads[key], 202)

    def upload(self, request: Request) -> tuple[str, Upload]:
        key = request.match["upload"]
        found = self.store.uploads.get(key)
        if not request.arg("_state"):
            raise RegistryError("BLOB_UPLOAD_INVALID", {})
        if found is None or found.repository != request.match["name"]:
            raise RegistryError("BLOB_UPLOAD_UNKNOWN", {})
        return key, found

    async def upload_status(self, request: Request) -> Response:
        return self.progress(request, *self.upload(request), 204)

    async def append(self, request: Request) -> Response:
        key, found = self.upload(request)
        found.data += request.body
        return self.progress(request, key, found, 202)

    async def finish(self, request: Request) -> Response:
        key, found = self.upload(request)
        claimed = request.arg("digest")
        if not claimed:
            raise RegistryError("DIGEST_INVALID", "digest missing")
        if not re.fullmatch(r"sha256:[0-9a-f]{64}", claimed):
            raise RegistryError("DIGEST_INVALID", "digest parsing failed")
        data = bytes(found.data + request.body)
        if digest(data) != claimed:
            raise RegistryError("DIGEST_INVALID", {"Digest": claimed, "Reason": {}})
        del self.store.uploads[key]
        name = request.match["name"]
        self.store.link(name, data)
        return self.created(request, f"/v2/{name}/blobs/{claimed}", claimed)

    async def cancel(self, request: Request) -> Response:
        key, _ = self.upload(request)
        del self.store.uploads[key]
        return Response(204, {**VERSION, "Docker-Upload-Uuid": key})

    def created(self, request: Request, path: str, key: str) -> Response:
        location = f"http://{request.header('host')}{path}"
        return Response(201, {"Docker-Content-Digest": key, **VERSION, "Location": location})

    def progress(self, request: Request, key: str, found: Upload, status: int) -> Response:
        state = {
            "Name": found.repository,
            "UUID": key,
            "Offset": len(found.data),
            "StartedAt": rfc3339(found.started_at),
        }
        packed = base64.urlsafe_b64encode(go_json(state).encode()).decode()
        host = request.header("host")
        path = f"/v2/{found.repository}/blobs/uploads/{key}?_state={quote(packed)}"
        head = {
            **VERSION,
            "Docker-Upload-Uuid": key,
            "Location": f"http://{host}{path}",
            "Range": f"0-{max(len(found.data) - 1, 0)}",
        }
        return Response(status, head)


def wanted(kind: str, request: Request, match: dict[str, str]) -> list[Access]:
    """What a request needs, in the order in which the challenge names it."""
    if kind == "base":
        return []
    if kind == "catalog":
        return [Access("registry", "catalog", "*")]
    name = match["name"]
    if request.method in ("GET", "HEAD"):
        return [Access("repository", name, "pull")]
    if request.method == "DELETE":
        return [Access("repository", name, "delete")]
    found = [Access("repository", name, "pull"), Access("repository", name, "push")]
    source = request.arg("from")
    return [*found, Access("repository", source, "pull")] if source else found
