"""MLflow's server: routes, the check of the Host header, authentication.

Source: https://mlflow.org/docs/latest/api_reference/rest-api.html and
https://mlflow.org/docs/latest/self-hosting/security/network/ .
"""

from __future__ import annotations

import base64
import binascii
import re
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatch
from urllib.parse import unquote, urlsplit

from quarterdeck_demo.faults import Faults
from quarterdeck_demo.messages import Request, Response, text_response
from quarterdeck_demo.mlflow.artifacts import Artifacts
from quarterdeck_demo.mlflow.content import stock
from quarterdeck_demo.mlflow.models import ModelRegistry
from quarterdeck_demo.mlflow.state import Experiment, State
from quarterdeck_demo.mlflow.tracking import Tracking
from quarterdeck_demo.mlflow.wire import SECURE, MlflowError, html, stamp
from quarterdeck_demo.story import Story

__all__ = ["MlflowAuth", "MlflowServer"]

VERSION = "3.17.2"
CHANGING = frozenset({"POST", "PUT", "PATCH", "DELETE"})
OPEN_PATHS = ("/health", "/version")
LOCAL = ("localhost", "127.0.0.1", "[::1]", "0.0.0.0")  # noqa: S104
PRIVATE = ("192.168.*", "10.*", *(f"172.{number}.*" for number in range(16, 32)), "fc00:*", "fd00:*")
PREFIXES = ("/api/2.0/mlflow/", "/ajax-api/2.0/mlflow/")
MODEL = re.compile(r"logged-models/(?P<id>m-[^/]+)(?P<rest>/.*)?")
UPLOAD = re.compile(r"/(?:ajax-)?api/2\.0/mlflow-artifacts/artifacts/(?P<path>.+)")
DENIED = (
    "You are not authenticated. Please see https://www.mlflow.org/docs/latest/auth/index.html"
    "#authenticating-to-mlflow on how to authenticate."
)
Action = Callable[[Request], Response]


@dataclass(frozen=True, slots=True)
class MlflowAuth:
    """Users and passwords, those who may only read, or a proxy's Bearer token."""

    users: Mapping[str, str] = field(default_factory=dict)
    readers: frozenset[str] = frozenset()
    token: str = ""

    def refusal(self, request: Request) -> Response | None:
        """The 401 or 403, or None for a request that may pass."""
        scheme, _, value = request.header("authorization").partition(" ")
        if self.token and scheme.lower() == "bearer" and secrets.compare_digest(value, self.token):
            return None
        name = self.user(value) if scheme.lower() == "basic" else ""
        if not name:
            challenge = 'Basic realm="mlflow"' if self.users else "Bearer"
            head = {"Content-Type": "text/html; charset=utf-8", "WWW-Authenticate": challenge, **SECURE}
            return Response(401, head, DENIED.encode())
        changes = request.method in CHANGING and not request.path.endswith("/search")
        if name in self.readers and changes:
            return Response(403, {"Content-Type": "text/html; charset=utf-8", **SECURE}, b"Permission denied")
        return None

    def user(self, value: str) -> str:
        try:
            name, _, password = base64.b64decode(value, validate=True).decode().partition(":")
        except (binascii.Error, UnicodeDecodeError):
            return ""
        known = self.users.get(name)
        return name if known is not None and secrets.compare_digest(known, password) else ""


class MlflowServer:
    """Tracking and registry of the story; runs go on with the clock, what clients change stays in `state`."""

    def __init__(
        self,
        story: Story | None,
        clock: Callable[[], float],
        faults: Faults | None = None,
        *,
        auth: MlflowAuth | None = None,
    ) -> None:
        self.clock = clock
        self.faults = faults or Faults()
        self.auth = auth
        self.state = stock(story) if story is not None else empty(clock())
        self.artifacts = Artifacts(self.state)
        self.routes: dict[str, dict[str, Action]] = {
            **Tracking(self.state, clock).routes,
            **ModelRegistry(self.state, clock).routes,
            "artifacts/list": {"GET": self.artifacts.list_run},
            "logged-models/{id}/artifacts/directories": {"GET": self.artifacts.list_model},
        }

    async def handler(self, request: Request) -> Response:
        """Answer one request."""
        path = unquote(request.path)
        if path not in OPEN_PATHS:
            if not allowed_host(request.header("host")):
                told = "Invalid Host header - possible DNS rebinding attack detected"
                return Response(403, {"Content-Type": "text/plain"}, told.encode())
            if self.foreign(request, path):
                return Response(403, {"Content-Type": "text/plain"}, b"Cross-origin request blocked")
            if self.auth is not None and (refusal := self.auth.refusal(request)) is not None:
                return refusal
        try:
            return self.routed(request, path)
        except MlflowError as error:
            return error.response()

    def foreign(self, request: Request, path: str) -> bool:
        origin = request.header("origin")
        hosts = (*LOCAL[:3], "::1")
        api = path.startswith(("/api/", "/ajax-api/"))
        return bool(origin) and api and request.method in CHANGING and urlsplit(origin).hostname not in hosts

    def routed(self, request: Request, path: str) -> Response:
        if path == "/health":
            return text_response("OK", headers=SECURE)
        if path == "/version":
            return Response(200, {"Content-Type": "text/html; charset=utf-8", **SECURE}, VERSION.encode())
        request, methods = self.matched(request, path)
        if methods is None:
            return html(404)
        method = "GET" if request.method == "HEAD" else request.method
        if method not in methods:
            allowed = {*methods, "OPTIONS"} | ({"HEAD"} if "GET" in methods else set())
            return html(405, Allow=", ".join(sorted(allowed)))
        return methods[method](request)

    def matched(self, request: Request, path: str) -> tuple[Request, dict[str, Action] | None]:
        plain: dict[str, Action] = {
            "/get-artifact": self.artifacts.of_run,
            "/model-versions/get-artifact": self.artifacts.of_version,
        }
        if path in plain:
            return request, {"GET": plain[path]}
        if upload := UPLOAD.fullmatch(path):
            return request._replace(match=upload.groupdict()), {"PUT": self.artifacts.store}
        prefix = next((prefix for prefix in PREFIXES if path.startswith(prefix)), "")
        if not prefix:
            return request, None
        name = path.removeprefix(prefix)
        found = MODEL.fullmatch(name)
        if found is None:
            return request, self.routes.get(name) if "{" not in name else None
        request = request._replace(match={"id": found["id"]})
        rest = found["rest"] or ""
        if rest == "/artifacts/files" and prefix.startswith("/ajax-api/"):
            return request, {"GET": self.artifacts.of_model}
        return request, self.routes.get("logged-models/{id}" + rest)


def allowed_host(host: str) -> bool:
    """Whether the Host header names this machine or a private address, with any port."""
    bare = re.sub(r":\d+$", "", host)
    return bare in LOCAL or any(fnmatch(host, pattern) for pattern in PRIVATE)


def empty(now: float) -> State:
    """A fresh server: the default experiment and nothing else."""
    created = stamp(now)
    return State(experiments={"0": Experiment("0", "Default", created, created, {})})
