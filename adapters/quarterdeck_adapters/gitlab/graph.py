"""What pipelines of a project took and who started them, many in one question: REST tells that of one at a time.

https://docs.gitlab.com/api/graphql/reference/#projectpipelines https://docs.gitlab.com/api/graphql/reference/#pipeline
"""

from __future__ import annotations

import re
from typing import Any

from quarterdeck_adapters.ci.values import Json, rows, section, text
from quarterdeck_adapters.gitlab.api import GRAPHQL, GitlabApi
from quarterdeck_lifecycle.errors import Unsupported

MOST = 100
"""Pipelines in one answer, at most."""
QUERY = """\
query quarterdeck($path: ID!, $first: Int!) {
  project(fullPath: $path) {
    pipelines(first: $first) {
      nodes { id duration startedAt finishedAt user { username } }
    }
  }
}"""
_ID = re.compile(r"gid://gitlab/Ci::Pipeline/([1-9]\d{0,18})")


def read(body: Any) -> dict[int, Json]:
    """An answer's pipelines by their ids, with the names that REST has for the same."""
    found: dict[int, Json] = {}
    for node in rows(section(body, "data", "project", "pipelines"), "nodes"):
        if (match := _ID.fullmatch(text(node.get("id")))) is not None:
            found[int(match[1])] = {
                "duration": node.get("duration"), "started_at": node.get("startedAt"),
                "finished_at": node.get("finishedAt"), "user": {"username": section(node, "user").get("username")},
            }  # fmt: skip
    return found


async def details(api: GitlabApi, path: str, first: int) -> dict[int, Json]:
    """The newest pipelines of a project. Raises QuarterdeckError; Unsupported where the query is not taken."""
    asked = {"query": QUERY, "variables": {"path": path, "first": min(first, MOST)}}
    body = await api.ask_graph(asked)
    if refused := rows(body, "errors"):
        raise Unsupported(
            f"POST {GRAPHQL} was refused", source=api.source, why="; ".join(text(e.get("message")) for e in refused[:3])
        )
    return read(body)
