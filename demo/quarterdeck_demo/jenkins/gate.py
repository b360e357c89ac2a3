"""What stands before every page: who asks, crumbs of those who come with a password, and Jenkins' refusals.

https://www.jenkins.io/doc/book/system-administration/authenticating-scripted-clients/
https://www.jenkins.io/doc/book/security/csrf-protection/
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections.abc import Awaitable, Callable, Mapping
from html import escape

from quarterdeck_demo.jenkins.state import State, User
from quarterdeck_demo.messages import Request, Response, json_response

VERSION = "2.516.3"
CRUMB = "Jenkins-Crumb"
COOKIE = "JSESSIONID.5f0c9e2b"
BUILD, CANCEL = "hudson.model.Item.Build", "hudson.model.Item.Cancel"


class Refused(Exception):
    """A refusal, as the page that Jenkins shows."""

    def __init__(self, status: int, message: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(message)
        self.status, self.message, self.headers = status, message, dict(headers or {})

    def response(self) -> Response:
        """Jenkins answers errors with a page, whatever was asked for."""
        page = (
            f"<html><head><title>Error {self.status} {escape(self.message)}</title></head><body>"
            f"<h2>HTTP ERROR {self.status} {escape(self.message)}</h2><p>{escape(self.message)}</p></body></html>"
        )
        return Response(self.status, {"Content-Type": "text/html;charset=utf-8", **self.headers}, page.encode())


def not_found() -> Refused:
    """What is not there, or may not be seen."""
    return Refused(404, "Not Found")


def forbidden(user: User, permission: str) -> Refused:
    """A permission is missing."""
    short = permission.replace("hudson.model.Item.", "Job/")
    headers = {"X-You-Are-Authenticated-As": user.login, "X-Required-Permission": permission}
    return Refused(403, f"{user.login} is missing the {short} permission", headers)


Handler = Callable[[Request, User], Awaitable[Response]]


class Gate:
    """Signs in, and asks for a crumb where one is needed: never from those who come with an API token."""

    def __init__(self, state: State, app: Handler) -> None:
        self.state, self.app = state, app

    async def __call__(self, request: Request) -> Response:
        headers: dict[str, str] = {"X-Jenkins": VERSION, "X-Jenkins-Session": "7d1b2f90", "X-Hudson": "1.395"}
        try:
            user, by_password = self._user(request)
            session = self._session(request) if by_password else ""
            if by_password:
                headers["Set-Cookie"] = f"{COOKIE}={session}; Path=/; HttpOnly"
            if request.path.endswith("/crumbIssuer/api/json"):
                response = self._issue(session)
            else:
                if request.method == "POST" and by_password:
                    self._check(request, session)
                response = await self.app(request, user)
        except Refused as refused:
            response = refused.response()
        response.headers.update(headers)
        return response

    def _user(self, request: Request) -> tuple[User, bool]:
        scheme, _, value = request.header("authorization").partition(" ")
        if not value:
            headers = {"X-You-Are-Authenticated-As": "anonymous", "X-Required-Permission": "hudson.model.Hudson.Read"}
            raise Refused(403, "Authentication required", headers)
        try:
            login, _, secret = base64.b64decode(value).decode().partition(":")
        except (binascii.Error, UnicodeDecodeError):
            login = secret = ""
        user = self.state.users.get(login)
        if scheme.lower() != "basic" or user is None or secret not in (user.token, user.password):
            headers = {"WWW-Authenticate": 'Basic realm="Jenkins"'}
            raise Refused(401, f"Invalid password/token for user: {login}", headers)
        return user, secret == user.password

    def _session(self, request: Request) -> str:
        for part in request.header("cookie").split(";"):
            name, _, value = part.strip().partition("=")
            if name == COOKIE and value in self.state.sessions.crumbs:
                return value
        number = len(self.state.sessions.crumbs) + 1
        made = hashlib.sha256(f"session/{self.state.story.seed}/{number}".encode()).hexdigest()[:24]
        self.state.sessions.crumbs[made] = hashlib.sha256(f"crumb/{made}".encode()).hexdigest()
        return made

    def _issue(self, session: str) -> Response:
        crumb = self.state.sessions.crumbs.get(session, "0" * 64)
        return json_response(
            {"_class": "hudson.security.csrf.DefaultCrumbIssuer", "crumb": crumb, "crumbRequestField": CRUMB}
        )

    def _check(self, request: Request, session: str) -> None:
        if request.header(CRUMB) != self.state.sessions.crumbs.get(session):
            raise Refused(403, "No valid crumb was included in the request")
