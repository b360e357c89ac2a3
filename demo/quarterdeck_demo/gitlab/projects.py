"""Who is there, the projects, their branches and files.

https://docs.gitlab.com/api/metadata/ https://docs.gitlab.com/api/users/ https://docs.gitlab.com/api/personal_access_tokens/
https://docs.gitlab.com/api/projects/ https://docs.gitlab.com/api/commits/ https://docs.gitlab.com/api/repository_files/
"""

from __future__ import annotations

from quarterdeck_demo.gitlab import shapes
from quarterdeck_demo.gitlab.gate import iso, not_found, token_of
from quarterdeck_demo.gitlab.site import ROOT, Site
from quarterdeck_demo.messages import Request, Response, json_response, text_response
from quarterdeck_demo.router import Router

VERSION = "17.11.2-ee"


class Projects:
    """The handlers; one object for the life of a server."""

    def __init__(self, site: Site) -> None:
        self.site, self.state = site, site.state

    def routes(self, router: Router) -> None:
        """Add the operations."""
        for path, handler in (
            ("/api/v4/metadata", self.metadata),
            ("/api/v4/user", self.user),
            ("/api/v4/personal_access_tokens/self", self.token),
            (ROOT, self.project),
            (ROOT + "/repository/commits/{ref}", self.commit),
            (ROOT + "/repository/files/{file}/raw", self.file),
        ):
            router.add("GET", path, handler)

    async def metadata(self, request: Request) -> Response:  # noqa: ARG002 - a handler
        """GET what this instance is."""
        return json_response({
            "version": VERSION, "revision": "c4c5d3b8e1f", "enterprise": self.state.premium,
            "kas": {"enabled": False, "externalUrl": None, "externalK8sProxyUrl": None, "version": None},
        })  # fmt: skip

    async def user(self, request: Request) -> Response:
        """GET who the token is."""
        who = self.site.caller(request)
        return json_response({**shapes.user(who), "email": who.email, "bot": False, "is_admin": False})

    async def token(self, request: Request) -> Response:
        """GET the token itself."""
        token = token_of(self.state, request)
        assert token is not None
        now = self.state.story.now
        return json_response({
            "id": 42, "name": "quarterdeck", "revoked": False, "created_at": iso(now - 4e6), "description": None,
            "scopes": list(token.scopes), "user_id": self.site.caller(request).id, "last_used_at": iso(now),
            "active": True, "expires_at": "2027-01-31",
        })  # fmt: skip

    async def project(self, request: Request) -> Response:
        """GET a project."""
        return json_response(shapes.project(self.state, self.site.project(request)))

    async def commit(self, request: Request) -> Response:
        """GET a commit by branch, tag or id."""
        project, ref = self.site.project(request), request.match["ref"]
        known = {*project.heads.values(), *project.tags.values(), *project.plan.repository.commits}
        sha = project.heads.get(ref) or project.tags.get(ref) or (ref if ref in known else "")
        if not sha:
            raise not_found("Commit")
        return json_response(shapes.commit(self.state, project, sha))

    async def file(self, request: Request) -> Response:
        """GET a file as it is: the pipeline's alone is known here."""
        project = self.site.project(request)
        if request.match["file"] != ".gitlab-ci.yml":
            raise not_found("File")
        return text_response(project.plan.file)
