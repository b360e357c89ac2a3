"""Artefacts of runs: what the jobs that ended well kept, until it expires.

https://docs.github.com/en/rest/actions/artifacts?apiVersion=2022-11-28
"""

from __future__ import annotations

import hashlib
from typing import Any

from quarterdeck_demo.github.gate import paged
from quarterdeck_demo.github.progress import JobMoment, LiveRun
from quarterdeck_demo.github.shapes import Shapes, iso, node_id
from quarterdeck_demo.github.site import Site
from quarterdeck_demo.messages import Request, Response, json_response
from quarterdeck_demo.router import Router
from quarterdeck_demo.story.records import Repository

KEPT = {"unit-tests": ("test-report", 48_211), "build-image": ("image-digest", 214), "train": ("model", 31_457_280)}
"""Job to the name and size in bytes of what it keeps."""
RETENTION_S = 90 * 86_400.0


class Artefacts:
    """The handler; one object for the life of a server."""

    def __init__(self, site: Site) -> None:
        self.site, self.state = site, site.state

    def routes(self, router: Router) -> None:
        """Add the operation."""
        router.add("GET", "/repos/{owner}/{repo}/actions/runs/{run}/artifacts", self.artefacts)

    async def artefacts(self, request: Request) -> Response:
        """GET what a run kept."""
        repository, live, at = self.site.run(request)
        shapes = self.site.shapes(request)
        kept = [job for job in at.jobs if job.name in KEPT and job.completed_at is not None and job.steps]
        page, headers = paged(request, shapes.base, kept)
        rows = [self._shaped(shapes, repository, live, job) for job in page]
        return json_response({"total_count": len(kept), "artifacts": rows}, headers=headers)

    def _shaped(self, shapes: Shapes, repository: Repository, live: LiveRun, job: JobMoment) -> dict[str, Any]:
        name, size = KEPT[job.name]
        made = job.completed_at or 0.0
        url = f"{shapes.repository_url(repository)}/actions/artifacts/{job.id}"
        head = {"repository_id": repository.id, "head_repository_id": repository.id}
        return {
            "id": job.id,
            "node_id": node_id("AR", job.id),
            "name": name,
            "size_in_bytes": size,
            "url": url,
            "archive_download_url": f"{url}/zip",
            "expired": self.state.clock() > made + RETENTION_S,
            "digest": f"sha256:{hashlib.sha256(f'{job.id}/{name}'.encode()).hexdigest()}",
            "created_at": iso(made),
            "expires_at": iso(made + RETENTION_S),
            "updated_at": iso(made),
            "workflow_run": {"id": live.run.id, **head, "head_branch": live.run.branch, "head_sha": live.run.sha},
        }
