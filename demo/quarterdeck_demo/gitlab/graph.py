"""A part of GitLab's GraphQL API: queries of a project's pipelines. What a type has not is refused by its name.

https://docs.gitlab.com/api/graphql/ https://docs.gitlab.com/api/graphql/reference/#pipeline
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from quarterdeck_demo.gitlab.gate import GRAPHQL, Refused, iso
from quarterdeck_demo.gitlab.progress import LivePipeline
from quarterdeck_demo.gitlab.site import Site
from quarterdeck_demo.gitlab.state import Project
from quarterdeck_demo.messages import Request, Response, json_response
from quarterdeck_demo.router import Router

MOST = 100
_TOKENS = re.compile(r"\s+|,|(?P<token>[{}():!$]|\"[^\"]*\"|-?\d+|\w+)")


class Field(NamedTuple):
    """A selected field, its arguments, and what is selected of it."""

    name: str
    args: dict[str, Any]
    fields: list[Field]


class Unknown(Exception):
    """The query cannot be answered; the message is GraphQL's."""


def parse(query: str, variables: Mapping[str, Any]) -> list[Field]:
    """The selection of a query: fields with arguments, no fragments, aliases or directives."""
    tokens: list[str] = []
    at = 0
    while at < len(query):
        match = _TOKENS.match(query, at)
        if match is None:
            raise Unknown(f"Expected one of SCHEMA, QUERY, actual: {query[at]!r}")
        at = match.end()
        if match["token"]:
            tokens.append(match["token"])
    if not tokens or "{" not in tokens or tokens[0] not in ("query", "{"):
        raise Unknown("only queries are known here")
    left = tokens[tokens.index("{") :]

    def value() -> Any:
        word = left.pop(0)
        if word[0] == "$":
            return variables.get(left.pop(0))
        return word.strip('"') if word.startswith('"') else int(word) if word.lstrip("-").isdigit() else word

    def selection() -> list[Field]:
        fields: list[Field] = []
        left.pop(0)
        while left[0] != "}":
            name, args = left.pop(0), {}
            if left[0] == "(":
                left.pop(0)
                while left[0] != ")":
                    key, _ = left.pop(0), left.pop(0)
                    args[key] = value()
                left.pop(0)
            fields.append(Field(name, args, selection() if left[0] == "{" else []))
        left.pop(0)
        return fields

    try:
        return selection()
    except IndexError as error:
        raise Unknown("Unexpected end of document") from error


class Graph:
    """The handler; one object for the life of a server."""

    def __init__(self, site: Site) -> None:
        self.site, self.state = site, site.state

    def routes(self, router: Router) -> None:
        """Add the endpoint."""
        router.add("POST", GRAPHQL, self.answer)

    async def answer(self, request: Request) -> Response:
        """POST a query; what is wrong with it is told with a 200."""
        body = self.site.body(request)
        given = body.get("variables")
        try:
            fields = parse(str(body.get("query", "")), given if isinstance(given, dict) else {})
            return json_response({"data": {each.name: self._root(each) for each in fields}})
        except Unknown as error:
            return json_response({"errors": [{"message": str(error), "locations": [{"line": 1, "column": 1}]}]})
        except Refused as refused:
            return refused.response()

    def _root(self, field: Field) -> Any:
        if field.name != "project":
            raise Unknown(f"Field '{field.name}' doesn't exist on type 'Query'")
        project = self.state.project(str(field.args.get("fullPath", "")))
        return self._project(project, field) if project is not None else None

    def _project(self, project: Project, field: Field) -> dict[str, Any]:
        known: dict[str, Callable[[Field], Any]] = {
            "id": lambda _: f"gid://gitlab/Project/{project.id}", "fullPath": lambda _: project.plan.path,
            "pipelines": lambda each: self._pipelines(project, each),
        }  # fmt: skip
        return _picked(field, known, "Project")

    def _pipelines(self, project: Project, field: Field) -> dict[str, Any]:
        first = min(int(field.args.get("first") or MOST), MOST)
        listed = [live for live, _ in zip(self.state.listed(project), range(first), strict=False)]
        known: dict[str, Callable[[Field], Any]] = {
            "nodes": lambda each: [self._pipeline(live, each) for live in listed],
            "count": lambda _: len(project.pipelines),
        }
        return _picked(field, known, "PipelineConnection")

    def _pipeline(self, live: LivePipeline, field: Field) -> dict[str, Any]:
        at, who = self.state.at(live), live.plan.user
        took = int(at.finished_at - at.started_at) if at.finished_at and at.started_at else None
        values = {
            "id": f"gid://gitlab/Ci::Pipeline/{live.id}", "iid": str(live.iid), "status": at.status.upper(),
            "duration": took, "startedAt": iso(at.started_at), "finishedAt": iso(at.finished_at),
            "createdAt": iso(live.created_at), "updatedAt": iso(at.updated_at), "ref": live.plan.ref,
            "sha": live.plan.sha, "source": live.plan.source,
        }  # fmt: skip
        people = {"username": who.login, "name": who.name}
        known = {name: _plain(value) for name, value in values.items()}
        known["user"] = lambda each: _picked(each, {name: _plain(v) for name, v in people.items()}, "UserCore")
        return _picked(field, known, "Pipeline")


def _plain(value: Any) -> Callable[[Field], Any]:
    return lambda _: value


def _picked(field: Field, known: Mapping[str, Callable[[Field], Any]], type_name: str) -> dict[str, Any]:
    for each in field.fields:
        if each.name not in known:
            raise Unknown(f"Field '{each.name}' doesn't exist on type '{type_name}'")
    return {each.name: known[each.name](each) for each in field.fields}
