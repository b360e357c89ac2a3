"""The tabs of a merge request."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import TYPE_CHECKING

from quarterdeck_adapters.blocking import call
from quarterdeck_adapters.ci.sections import fields, tab, took, when
from quarterdeck_adapters.ci.values import Json, rows, section, shown, text
from quarterdeck_adapters.gitlab import mapping, merge_mapping
from quarterdeck_adapters.gitlab.places import Place
from quarterdeck_lifecycle.ports import Section

if TYPE_CHECKING:
    from quarterdeck_adapters.gitlab.adapter import GitlabSource

PATCH_LIMIT = 1_000_000


async def describe(source: GitlabSource, place: Place) -> list[Section]:
    """Overview, checks, approvals, files and commits. Raises QuarterdeckError."""
    merge = await source.merges.read(place)

    async def checks() -> Section:
        pipeline = await source.merges.head_pipeline(place, merge)
        if pipeline is None:
            return Section(title="Checks", shape="table", note="no pipeline ran on its head")
        table: list[tuple[str, ...]] = [("JOB", "STATE", "TOOK", "STAGE")]
        table += [
            (text(job.get("name")), mapping.word(job), took(job.get("duration")), text(job.get("stage")))
            for job in mapping.newest(await source.runs.jobs(pipeline))
        ]
        return Section(title="Checks", shape="table", table=tuple(table), note=f"pipeline #{pipeline.number}")

    async def approvals() -> Section:
        found = await source.merges.reviews(place, merge)
        note = f"{found.left} more needed" if found.left else "nobody has approved it" if not found.by else ""
        table = [("WHO", "SAID"), *((who, "approved") for who in found.by)]
        return Section(title="Approvals", shape="table", table=tuple(table), note=note)

    async def files() -> Section:
        listed = rows(await source.api.get(f"{place.merge}/diffs", {"per_page": 100}))
        return await call(
            lambda: diff_section(listed, more=len(listed) >= 100), deadline=10, source=source.name, what="the diff"
        )

    async def commits() -> Section:
        table = [("COMMIT", "WHEN", "WHO", "SUBJECT")]
        table += [
            (text(each.get("id"))[:10], when(each.get("created_at")), text(each.get("author_name")),
             shown(each.get("title")))
            for each in rows(await source.api.get(f"{place.merge}/commits", {"per_page": 100}))
        ]  # fmt: skip
        return Section(title="Commits", shape="table", table=tuple(table))

    made = await asyncio.gather(
        tab("Checks", checks()), tab("Approvals", approvals()), tab("Files", files()), tab("Commits", commits())
    )
    return [overview(merge), *made]


def overview(merge: Json) -> Section:
    """What a merge request is, in fields, with its text."""
    return fields([
        ("title", merge.get("title")), ("state", merge.get("state")),
        ("author", section(merge, "author").get("username")), ("from", merge.get("source_branch")),
        ("into", merge.get("target_branch")), ("head", merge.get("sha")),
        ("mergeable", merge_mapping.mergeable_word(merge)),
        ("GitLab says", shown(merge.get("detailed_merge_status"), 60).replace("_", " ")),
        ("reviewers asked", ", ".join(text(each.get("username")) for each in rows(merge, "reviewers"))),
        ("created", when(merge.get("created_at"))), ("updated", when(merge.get("updated_at"))),
        ("merged by", section(merge, "merge_user").get("username")), ("error", merge.get("merge_error")),
        ("page", merge.get("web_url")), ("text", merge.get("description")),
    ])  # fmt: skip


def diff_section(files: Sequence[Json], *, more: bool) -> Section:
    """The patches as one diff, at most a megabyte; https://docs.gitlab.com/api/merge_requests/"""
    parts: list[str] = []
    room, left_out = PATCH_LIMIT, 0
    for file in files:
        old, new = shown(file.get("old_path"), 500), shown(file.get("new_path"), 500)
        before = "/dev/null" if file.get("new_file") is True else f"a/{old}"
        after = "/dev/null" if file.get("deleted_file") is True else f"b/{new}"
        body = text(file.get("diff")) or "no patch is sent for it"
        part = f"diff --git a/{old} b/{new}\n--- {before}\n+++ {after}\n{body}"
        if len(part) > room:
            left_out += 1
            continue
        room -= len(part)
        parts.append(part)
    note = "" if parts else "no file is changed"
    if left_out or more:
        note = f"{left_out} files are not shown" if left_out else "only the first 100 files"
    return Section(title="Files", shape="diff", text="\n".join(parts), note=note)
