"""The tabs of a run, a job and a pull request; of what failed the first is its failure.

A tab that cannot be read says so and spoils no other.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import TYPE_CHECKING, TypeVar

from quarterdeck_adapters.blocking import call
from quarterdeck_adapters.ci import failing
from quarterdeck_adapters.ci.sections import fields, tab, took, when
from quarterdeck_adapters.ci.values import Json, epoch, login, rows, section, sha_of, shown, size, text, whole
from quarterdeck_adapters.github import failure, mapping
from quarterdeck_adapters.github.mapping import word
from quarterdeck_adapters.github.places import Place
from quarterdeck_lifecycle.errors import QuarterdeckError
from quarterdeck_lifecycle.kinds import Job
from quarterdeck_lifecycle.ports import Section
from quarterdeck_lifecycle.records import Ref

if TYPE_CHECKING:
    from quarterdeck_adapters.github.adapter import GithubSource

S = TypeVar("S", Section, Section | None)
PATCH_LIMIT = 1_000_000
FILES = 300
_CHANGED = {"added": "new file", "removed": "deleted file"}


async def describe(source: GithubSource, ref: Ref) -> Sequence[Section]:
    """The tabs of one thing. Raises QuarterdeckError when the thing itself cannot be read."""
    if ref.kind == "job" and (foreign := source.pulls.foreign.get(ref.id)) is not None:
        return [_foreign(foreign)]
    place = source.place(ref)
    if ref.kind == "run":
        return await _run(source, place)
    if ref.kind == "job":
        return await _job(source, place)
    if ref.kind == "deployment":
        from quarterdeck_adapters.github import describe_deployment

        return await describe_deployment.describe(source, place)
    return await _pull(source, place)


def _foreign(job: Job) -> Section:
    pairs = [("check", job.name), ("state", job.state), ("said", job.note), ("page", job.url), ("commit",
             job.link("commit")), ("log", "kept by the system that made the check")]  # fmt: skip
    return fields(pairs)


async def _run(source: GithubSource, place: Place) -> list[Section]:
    run = await source.runs.read(place)

    # Two tabs read the jobs; a task is awaited by both, and its error shown in both.
    listed = asyncio.ensure_future(source.runs.jobs(place))

    async def jobs() -> Section:
        return jobs_section(await listed)

    async def failed() -> Section | None:
        try:
            found = await listed
        except QuarterdeckError:
            if mapping.failed(run):
                raise
            return None
        if not mapping.failed(run) and not any(map(mapping.failed, found)):
            return None
        return await failure.section(source, place, found, title=shown(run.get("name")) or "the run")

    async def artefacts() -> Section:
        body = await source.api.object(f"{place.run}/artifacts", {"per_page": 100})
        table = [("NAME", "SIZE", "MADE", "ENDS", "DIGEST")]
        table += [
            (text(a.get("name")), "expired" if a.get("expired") is True else size(a.get("size_in_bytes")),
             when(a.get("created_at")), when(a.get("expires_at")), text(a.get("digest")))
            for a in rows(body, "artifacts")
        ]  # fmt: skip
        note = "" if len(table) > 1 else "this run kept no artefact"
        return Section(title="Artefacts", shape="table", table=tuple(table), note=note)

    async def commit() -> Section:
        sha = sha_of(run.get("head_sha"))
        if not sha:
            return Section(title="Commit", shape="text", note="the run names no commit")
        return commit_section(await source.api.object(f"{place.root}/commits/{sha}"))

    first, *tabs = await asyncio.gather(
        tab(failing.TITLE, failed()), tab("Jobs and steps", jobs()), tab("Artefacts", artefacts()),
        tab("Commit", commit()),
    )  # fmt: skip
    about = overview(run, await source.runs.waits(place, run))
    return [each for each in (first, about, *tabs) if each is not None]


def overview(run: Json, waits: str = "") -> Section:
    """What a run is, in fields."""
    pulls = ", ".join(f"#{text(p.get('number'))}" for p in rows(run, "pull_requests"))
    return fields([
        ("title", run.get("display_title")), ("workflow", run.get("name")), ("file", run.get("path")),
        ("number", run.get("run_number")), ("attempt", run.get("run_attempt")), ("state", word(run)),
        ("waits for", waits),
        ("branch", run.get("head_branch")), ("commit", run.get("head_sha")), ("event", run.get("event")),
        ("pull requests", pulls), ("started by", login(run, "actor")),
        ("this attempt by", login(run, "triggering_actor")),
        ("created", when(run.get("created_at"))), ("started", when(run.get("run_started_at"))),
        ("updated", when(run.get("updated_at"))), ("took", took(mapping.duration(run))),
        ("id", run.get("id")), ("page", run.get("html_url")),
    ])  # fmt: skip


def jobs_section(jobs: Sequence[Json]) -> Section:
    """Jobs with their steps, the failed jobs first."""
    ordered = sorted(jobs, key=lambda job: (not mapping.failed(job), not mapping.in_flight(job)))
    table: list[tuple[str, ...]] = [("JOB / STEP", "STATE", "TOOK", "RUNNER")]
    for job in ordered:
        table.append((text(job.get("name")), word(job), took(_seconds(job)), text(job.get("runner_name"))))
        table += [(f"  {text(s.get('name'))}", word(s), took(_seconds(s)), "") for s in rows(job, "steps")]
    return Section(title="Jobs and steps", shape="table", table=tuple(table))


def _seconds(payload: Json) -> float | None:
    start, end = epoch(payload.get("started_at")), epoch(payload.get("completed_at"))
    return None if start is None or end is None else max(0.0, end - start)


def commit_section(commit: Json) -> Section:
    """A commit as git would show its head."""
    inner = section(commit, "commit")
    author = section(inner, "author")
    lines = [
        f"commit {text(commit.get('sha'))}",
        f"Author: {text(author.get('name'))} <{text(author.get('email'))}>",
        f"Date:   {when(author.get('date'))}", "", text(inner.get("message")),
    ]  # fmt: skip
    stats = section(commit, "stats")
    if whole(stats.get("total")):
        lines += ["", f"+{text(stats.get('additions'))} -{text(stats.get('deletions'))}"]
        lines += [f"  {text(f.get('status'))[:1].upper()} {text(f.get('filename'))}" for f in rows(commit, "files")]
    return Section(title="Commit", shape="text", text="\n".join(lines))


async def _job(source: GithubSource, place: Place) -> list[Section]:
    job = await source.api.object(place.the_job)
    labels = job.get("labels")
    steps: list[tuple[str, ...]] = [("#", "STEP", "STATE", "TOOK")]
    steps += [
        (text(s.get("number")), text(s.get("name")), word(s), took(_seconds(s))) for s in rows(job, "steps")
    ]
    about = fields([
        ("job", job.get("name")), ("workflow", job.get("workflow_name")), ("state", word(job)),
        ("failed at", mapping.step_of(job) if mapping.failed(job) else ""), ("attempt", job.get("run_attempt")),
        ("branch", job.get("head_branch")), ("commit", job.get("head_sha")), ("runner", job.get("runner_name")),
        ("group", job.get("runner_group_name")),
        ("labels", ", ".join(map(text, labels)) if isinstance(labels, list) else ""),
        ("started", when(job.get("started_at"))), ("ended", when(job.get("completed_at"))),
        ("took", took(_seconds(job))), ("page", job.get("html_url")),
    ])  # fmt: skip
    note = "" if len(steps) > 1 else "no step has begun"
    sections = [Section(title="Steps", shape="table", table=tuple(steps), note=note), about]
    if mapping.failed(job):
        broken = failure.section(source, place, [job], title=shown(job.get("name")))
        sections.insert(0, await tab(failing.TITLE, broken))
    return sections


async def _pull(source: GithubSource, place: Place) -> list[Section]:
    pull = await source.pulls.read(place)
    sha = sha_of(section(pull, "head").get("sha"))

    async def checks() -> Section:
        found, statuses = await source.pulls.checks(place.slug, sha)
        table: list[tuple[str, ...]] = [("CHECK", "STATE", "TOOK", "BY")]
        table += [
            (text(c.get("name")), word(c), took(_seconds(c)), text(section(c, "app").get("name")))
            for c in sorted(found, key=lambda check: (not mapping.failed(check), not mapping.in_flight(check)))
        ]
        table += [(text(s.get("context")), text(s.get("state")), "-", text(s.get("description"))) for s in statuses]
        note = "" if len(table) > 1 else f"no check reported on {sha[:10]}"
        return Section(title="Checks", shape="table", table=tuple(table), note=note)

    async def reviews() -> Section:
        table = [("WHO", "SAID", "WHEN", "ON", "TEXT")]
        for review in await source.pulls.reviews(place):
            on = text(review.get("commit_id"))
            said = text(review.get("state")).lower().replace("_", " ")
            place_of = on[:10] if on != sha else "the head"
            table.append((login(review), said, when(review.get("submitted_at")), place_of, shown(review.get("body"))))
        note = "" if len(table) > 1 else "nobody has reviewed it"
        return Section(title="Reviews", shape="table", table=tuple(table), note=note)

    async def files() -> Section:
        found: dict[str, Json] = {}
        for number in range(1, FILES // 100 + 1):
            listed = rows(await source.api.get(f"{place.pull}/files", {"per_page": 100, "page": number}))
            found.update({text(each.get("filename")): each for each in listed})
            if len(listed) < 100:
                break
        total = whole(pull.get("changed_files"))
        return await call(
            lambda: diff_section(list(found.values()), total=total), deadline=10, source=source.name, what="the diff"
        )

    async def commits() -> Section:
        table = [("COMMIT", "WHEN", "WHO", "SUBJECT")]
        listed = await source.api.get(f"{place.pull}/commits", {"per_page": 100})
        for each in rows(listed):
            inner = section(each, "commit")
            author = section(inner, "author")
            subject = text(inner.get("message")).partition("\n")[0]
            table.append((text(each.get("sha"))[:10], when(author.get("date")), text(author.get("name")), subject))
        return Section(title="Commits", shape="table", table=tuple(table))

    tabs = await asyncio.gather(
        tab("Checks", checks()), tab("Reviews", reviews()), tab("Files", files()), tab("Commits", commits())
    )
    return [pull_overview(pull), *tabs]


def pull_overview(pull: Json) -> Section:
    """What a pull request is, in fields, with its text."""
    head, base = section(pull, "head"), section(pull, "base")
    asked = [login({"user": each}) for each in rows(pull, "requested_reviewers")]
    asked += [text(team.get("slug")) for team in rows(pull, "requested_teams")]
    state = "merged" if pull.get("merged") is True else "draft" if pull.get("draft") is True else pull.get("state")
    lines = f"+{text(pull.get('additions'))} -{text(pull.get('deletions'))}"
    return fields([
        ("title", pull.get("title")), ("state", state), ("author", login(pull)),
        ("from", text(head.get("label")) or head.get("ref")), ("into", base.get("ref")), ("head", head.get("sha")),
        ("mergeable", pull.get("mergeable_state")), ("reviewers asked", ", ".join(asked)),
        ("labels", ", ".join(text(label.get("name")) for label in rows(pull, "labels"))),
        ("changed", f"{lines} in {text(pull.get('changed_files'))} files"),
        ("commits", pull.get("commits")), ("created", when(pull.get("created_at"))),
        ("updated", when(pull.get("updated_at"))), ("merged by", login(pull, "merged_by")),
        ("page", pull.get("html_url")), ("text", pull.get("body")),
    ])  # fmt: skip


def diff_section(files: Sequence[Json], *, total: int | None = None) -> Section:
    """The patches as one diff, at most a megabyte; a file whose patch is not sent (binary, too large) is named."""
    parts: list[str] = []
    room, left_out = PATCH_LIMIT, 0
    for file in files:
        name, patch = shown(file.get("filename"), 500), text(file.get("patch"))
        before = shown(file.get("previous_filename"), 500) or name
        head = [f"diff --git a/{before} b/{name}"]
        if status := _CHANGED.get(text(file.get("status"))):
            head.append(status)
        elif before != name:
            head += [f"rename from {before}", f"rename to {name}"]
        added, removed = text(file.get("status")) == "added", text(file.get("status")) == "removed"
        head += [f"--- {'/dev/null' if added else f'a/{before}'}", f"+++ {'/dev/null' if removed else f'b/{name}'}"]
        body = patch or f"no patch is sent for it: +{text(file.get('additions'))} -{text(file.get('deletions'))}"
        part = "\n".join((*head, body))
        if len(part) > room:
            left_out += 1
            continue
        room -= len(part)
        parts.append(part)
    missing = left_out + max(0, (total or 0) - len(files))
    note = f"{missing} files are not shown" if missing else "" if parts else "no file is changed"
    return Section(title="Files", shape="diff", text="\n".join(parts), note=note)
