"""The tabs of a deployment: how it went, what its environment asks for, and the commit that it brought.

https://docs.github.com/en/rest/deployments/environments?apiVersion=2022-11-28
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING
from urllib.parse import quote

from quarterdeck_adapters.ci import failing
from quarterdeck_adapters.ci.sections import fields, tab, when
from quarterdeck_adapters.ci.values import Json, login, rows, section, sha_of, shown, text, whole
from quarterdeck_adapters.github import deployment_mapping as mapped
from quarterdeck_adapters.github import failure
from quarterdeck_adapters.github.describe import commit_section
from quarterdeck_adapters.github.places import Place
from quarterdeck_lifecycle.errors import QuarterdeckError
from quarterdeck_lifecycle.ports import Section

if TYPE_CHECKING:
    from quarterdeck_adapters.github.adapter import GithubSource

_RULES = {"required_reviewers": "required reviewers", "wait_timer": "wait timer", "branch_policy": "branch policy"}


async def describe(source: GithubSource, place: Place) -> list[Section]:
    """The tabs; of one that failed the first is the failure of its job. Raises QuarterdeckError."""
    read = await source.deployments.read(place)
    record = source.deployments.record(read, place.slug)
    sha = sha_of(read.deployment.get("sha"))
    name = text(read.deployment.get("environment"))
    run, job = mapped.run_named(read.deployment, read.told)

    async def environment() -> Section:
        path = f"{place.root}/environments/{quote(name, safe='')}"
        return environment_section(await source.api.object(path))

    async def commit() -> Section:
        if not sha:
            return Section(title="Commit", shape="text", note="the deployment names no commit")
        return commit_section(await source.api.object(f"{place.root}/commits/{sha}"))

    def said(note: str) -> Section:
        return Section(title=failing.TITLE, shape="text", text=record.note, note=note)

    async def failed() -> Section | None:
        if read.told.state not in ("failure", "error"):
            return None
        if not run:
            return said("it names no run whose log could be read")
        where = place._replace(number=run, job=job)
        try:
            jobs = [await source.api.object(where.the_job)] if job else await source.runs.jobs(where)
        except QuarterdeckError as error:
            return said(f"its job was not read: {error.short}")
        return await failure.section(source, where, jobs, title=record.name)

    first, *tabs = await asyncio.gather(
        tab(failing.TITLE, failed()), tab("Environment", environment()), tab("Commit", commit())
    )
    about = fields([
        ("environment", name), ("state", record.state), ("said", record.note),
        ("now in the environment", "yes" if record.current else ""), ("ref", read.deployment.get("ref")),
        ("commit", sha), ("task", read.deployment.get("task")), ("by", login(read.deployment, "creator")),
        ("made by run", record.run or "not told: neither its statuses nor its payload name one"),
        ("through", section(read.deployment, "performed_via_github_app").get("name")),
        ("created", when(read.deployment.get("created_at"))), ("page", record.url), ("id", record.number),
        *((f"payload {shown(key, 40)}", shown(value)) for key, value in mapped.payload(read.deployment).items()),
    ])  # fmt: skip
    return [each for each in (first, about, statuses_section(read.statuses), *tabs) if each is not None]


def statuses_section(statuses: list[Json]) -> Section:
    """What was said of it, newest first."""
    table: list[tuple[str, ...]] = [("STATE", "WHEN", "WHO", "SAID", "PAGE")]
    table += [
        (text(each.get("state")).replace("_", " "), when(each.get("created_at")), login(each, "creator"),
         shown(each.get("description")), text(each.get("log_url")) or text(each.get("target_url")))
        for each in statuses
    ]  # fmt: skip
    note = "" if statuses else "nobody has said how it went"
    return Section(title="Statuses", shape="table", table=tuple(table), note=note)


def environment_section(environment: Json) -> Section:
    """What the environment asks for before a job may use it."""
    table: list[tuple[str, ...]] = [("RULE", "ASKS FOR")]
    for rule in rows(environment, "protection_rules"):
        kind = text(rule.get("type"))
        if kind == "required_reviewers":
            people = [section(each, "reviewer") for each in rows(rule, "reviewers")]
            asks = " or ".join(shown(each.get("login")) or shown(each.get("name")) or "somebody" for each in people)
            if rule.get("prevent_self_review") is True:
                asks += ", never the one who began it"
        elif kind == "wait_timer":
            asks = f"{whole(rule.get('wait_timer')) or 0} min"
        elif kind == "branch_policy":
            policy = section(environment, "deployment_branch_policy")
            asks = "protected branches" if policy.get("protected_branches") is True else "branches that its page names"
        else:
            asks = "an app's word"
        table.append((_RULES.get(kind, shown(kind).replace("_", " ")), asks))
    note = "" if len(table) > 1 else "it asks for nothing"
    return Section(title="Environment", shape="table", table=tuple(table), note=note)


