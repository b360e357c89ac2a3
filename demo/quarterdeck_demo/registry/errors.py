"""A registry's refusals, in the words of docker-registry 2.8.2.

Source: https://distribution.github.io/distribution/spec/api/#errors-2 .
"""

from __future__ import annotations

from typing import Any

from quarterdeck_demo.gojson import go_json
from quarterdeck_demo.messages import Response, text_response

__all__ = ["MISSING", "RegistryError", "not_found", "reply"]

MISSING = object()
"""No `detail` key at all, where None is a `detail` of null."""
VERSION = {"Docker-Distribution-Api-Version": "registry/2.0"}
PLAIN = {**VERSION, "X-Content-Type-Options": "nosniff"}

KNOWN = {
    "BLOB_UNKNOWN": (404, "blob unknown to registry"),
    "BLOB_UPLOAD_INVALID": (404, "blob upload invalid"),
    "BLOB_UPLOAD_UNKNOWN": (404, "blob upload unknown to registry"),
    "DIGEST_INVALID": (400, "provided digest did not match uploaded content"),
    "MANIFEST_BLOB_UNKNOWN": (400, "blob unknown to registry"),
    "MANIFEST_INVALID": (400, "manifest invalid"),
    "MANIFEST_UNKNOWN": (404, "manifest unknown"),
    "NAME_UNKNOWN": (404, "repository name not known to registry"),
    "PAGINATION_NUMBER_INVALID": (400, "invalid number of results requested"),
    "UNAUTHORIZED": (401, "authentication required"),
    "UNKNOWN": (500, "unknown error"),
    "UNSUPPORTED": (405, "The operation is unsupported."),
}


class RegistryError(Exception):
    """One refusal; `details` holds one entry for each error of the answer."""

    def __init__(self, code: str, *details: Any, message: str = "") -> None:
        super().__init__(code)
        self.status, known = KNOWN[code]
        errors = []
        for detail in details or (MISSING,):
            error = {"code": code, "message": message or known}
            errors.append(error if detail is MISSING else {**error, "detail": detail})
        self.errors: list[dict[str, Any]] = errors
        self.headers: dict[str, str] = {}

    def response(self) -> Response:
        return reply({"errors": self.errors}, self.status, self.headers)


def reply(obj: Any, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    """A JSON answer of the registry, ended by a newline as Go's encoder does."""
    head = {"Content-Type": "application/json; charset=utf-8", **VERSION, **(headers or {})}
    return Response(status, head, (go_json(obj) + "\n").encode())


def not_found() -> Response:
    return text_response("404 page not found\n", 404, PLAIN)


def not_allowed(methods: list[str]) -> Response:
    return text_response("Method not allowed\n", 405, {"Allow": ", ".join(sorted(methods)), **PLAIN})
