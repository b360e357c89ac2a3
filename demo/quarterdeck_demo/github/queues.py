"""Operations on concurrency groups.

https://docs.github.com/en/rest/actions/concurrency-groups?apiVersion=2022-11-28
"""

from __future__ import annotations

from typing import Any

from quarterdeck_demo.github.gate import not_found
from quarterdeck_demo.github.progress import LiveRun
from quarterdeck_demo.github.shapes import HTML
from quarterdeck_demo.github.site import Site
from quarterdeck_demo.messages import Request, Response, json_response
from quarterdeck_demo.router import Router


class Queues:
    """The handlers; one object for the life of a server."""

    def __init__(self, site: Site) -> None:
        self.site, self.state = site, site.state

    def routes(self, router: Router) -> None:
        """Add the operations."""
        root = "/repos/{owner}/{repo}/actions"
        router.add("GET", root + "/runs/{run}/concurrency_groups", self.of_run)
        router.add("GET", root + "/concurrency_groups/{group}", self.group)

    def _member(self, request: Request, live: LiveRun) -> dict[str, Any]:
        repository = self.site.repository(request)
        flow = next(each for each in self.state.story.workflows if each.id == live.run.workflow)
        url = f"{self.site.shapes(request).repository_url(repository)}/actions/runs/{live.run.id}"
        return {
            "run_id": live.run.id,
            "run_name": flow.name,
            "run_url": url,
            "run_html_url": f"{HTML}/{repository.slug}/actions/runs/{live.run.id}",
            "status": "pending" if live.held else "in_progress",
        }

    def _url(self, request: Request, group: str) -> str:
        repository = self.site.repository(request)
        return f"{self.site.shapes(request).repository_url(repository)}/actions/concurrency_groups/{group}"

    async def of_run(self, request: Request) -> Response:
        """GET the groups of a run."""
        _, live, _ = self.site.run(request)
        group = self.state.groups.get(live.run.workflow)
        if group is None:
            return json_response({"total_count": 0, "concurrency_groups": []})
        url, listed = self._url(request, group), self.state.members(group, self.state.clock())
        own = [
            {**self._member(request, each), "position": place, "position_url": f"{url}?ahead_of_run={each.run.id}"}
            for place, each in enumerate(listed)
            if each is live
        ]
        row = {"group_name": group, "group_url": url, "group_members": own}
        return json_response({"total_count": 1, "concurrency_groups": [row]})

    async def group(self, request: Request) -> Response:
        """GET a group and its queue; 404 when nothing is in it."""
        now, name = self.state.clock(), request.match["group"]
        self.state.settle(now)
        slug = self.site.repository(request).slug
        listed = [each for each in self.state.members(name, now) if each.run.repository == slug]
        if not listed:
            raise not_found()
        if (ahead := request.arg("ahead_of_run")).isdigit():
            place = next((n for n, each in enumerate(listed) if each.run.id == int(ahead)), len(listed))
            listed = listed[: place + 1]
        rows = [self._member(request, each) for each in listed]
        found = {"group_name": name, "group_url": self._url(request, name), "total_count": len(rows)}
        return json_response({**found, "group_members": rows})
