"""Optional authentication of both servers: Basic, as their web configuration has it, or a proxy's Bearer token."""

from __future__ import annotations

import base64
import binascii
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field

from quarterdeck_demo.messages import Request, Response, text_response

__all__ = ["WebAuth", "plain"]

NOSNIFF = {"X-Content-Type-Options": "nosniff"}


def plain(text: str, status: int, **headers: str) -> Response:
    """A refusal as Go's http.Error writes it."""
    return text_response(text + "\n", status, {**headers, **NOSNIFF})


@dataclass(frozen=True, slots=True)
class WebAuth:
    """Who is let in: users with passwords, or bearers of a token."""

    users: Mapping[str, str] = field(default_factory=dict)
    token: str = ""

    def refusal(self, request: Request) -> Response | None:
        """The 401, or None for a request that may pass."""
        scheme, _, value = request.header("authorization").partition(" ")
        if self.token and scheme.lower() == "bearer" and secrets.compare_digest(value, self.token):
            return None
        if self.users and scheme.lower() == "basic":
            try:
                name, _, password = base64.b64decode(value, validate=True).decode().partition(":")
            except (binascii.Error, UnicodeDecodeError):
                name, password = "", ""
            if name in self.users and secrets.compare_digest(self.users[name], password):
                return None
        return plain("Unauthorized", 401, **{"Www-Authenticate": "Basic" if self.users else "Bearer"})
