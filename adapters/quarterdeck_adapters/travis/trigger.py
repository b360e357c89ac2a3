"""Asking for a build. The answer names a request; which build came of it stands in the request a moment later.

https://docs.travis-ci.com/user/triggering-builds/ and https://developer.travis-ci.com/resource/requests
"""

from __future__ import annotations

import re
import secrets
import shlex
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from quarterdeck_adapters.ci.inputs import parse
from quarterdeck_adapters.ci.values import Json, rows, section, shown, text, whole
from quarterdeck_adapters.travis.acting import TravisAction
from quarterdeck_adapters.travis.api import TravisApi
from quarterdeck_adapters.travis.places import Place
from quarterdeck_lifecycle.errors import Forbidden, Malformed, NotFound, QuarterdeckError, Refused, Timeout
from quarterdeck_lifecycle.ports import Outcome, Parameter, Preview
from quarterdeck_lifecycle.records import Ref

if TYPE_CHECKING:
    from quarterdeck_adapters.travis.adapter import TravisSource

KEPT = 100
MESSAGE = "message"
"""The input that is no variable: it takes the place of the commit's message."""
_REF = re.compile(r"(?!-)(?!.*(?:\.\.|//|@\{))[^\s~^:?*\[\\\x00-\x1f\x7f]{1,255}(?<![/.])")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,254}")


class Wanted(NamedTuple):
    """What is asked for; `key` is of this preview alone."""

    body: dict[str, Any]
    key: str


def body_of(branch: str, given: Mapping[str, str]) -> dict[str, Any]:
    """The request: variables become those of every job, before the file's own."""
    request: dict[str, Any] = {"branch": branch}
    if message := given.get(MESSAGE):
        request["message"] = message
    if named := {name: value for name, value in given.items() if name != MESSAGE}:
        request["merge_mode"] = "deep_merge_append"
        request["config"] = {"env": {"global": [f"{name}={shlex.quote(value)}" for name, value in named.items()]}}
    return {"request": request}


async def parameters(api: TravisApi, repository: str) -> Sequence[Parameter]:
    """The public variables of a repository's settings, with what they are now. Raises QuarterdeckError.

    Those that hold for one branch alone, and secret ones, are no parameters: see `secret_names`.
    """
    return [
        Parameter(name=MESSAGE, title="in place of the commit's message"),
        *(
            Parameter(name=text(each.get("name")), default=text(each.get("value")))
            for each in await settings(api, repository)
            if each.get("public") is True and not text(each.get("branch"))
        ),
    ]


async def settings(api: TravisApi, repository: str) -> list[Json]:
    """The variables of a repository's settings (https://developer.travis-ci.com/resource/env_vars)."""
    listed = rows(await api.object(f"{repository}/env_vars"), "env_vars")
    return [each for each in listed if _NAME.fullmatch(text(each.get("name")))]


async def secret_names(api: TravisApi, repository: str) -> set[str]:
    """The secret variables of the settings. A request cannot carry their values: Travis shows it to every reader."""
    try:
        return {text(each.get("name")) for each in await settings(api, repository) if each.get("public") is not True}
    except (Forbidden, NotFound):
        return set()


class Trigger(TravisAction):
    """`run.trigger`: a build of a branch's newest commit. `args`: ref (a branch), inputs (`NAME=value ...`)."""

    verb = "run.trigger"

    def __init__(self, source: TravisSource) -> None:
        super().__init__(source)
        self._sent: OrderedDict[str, int] = OrderedDict()

    async def preview(self, ref: Ref, args: Mapping[str, str]) -> Preview:
        """What would be sent. Raises Refused for a branch or variables that cannot be."""
        place = self.place(ref)
        branch = args.get("ref", "").strip().removeprefix("refs/heads/")
        if not _REF.fullmatch(branch):
            raise Refused(f"{shown(branch)!r} is no name of a branch", source=self.source.name)
        given = parse(args.get("inputs", ""), self.source.name)
        for name in given:
            if name != MESSAGE and not _NAME.fullmatch(name):
                raise Refused(f"{shown(name)!r} is no name of a variable", source=self.source.name)
        if secret := sorted(set(given) & (await secret_names(self.api, place.repository) if given else set())):
            raise Refused(
                f"{', '.join(secret)} is not sent", source=self.source.name,
                why="it is secret in the repository's settings, and everybody who sees the build would see it",
                mend="change it in the settings of the repository on Travis",
            )  # fmt: skip
        build = await self.source.builds.read(place)
        record = self.source.builds.record(build, place.slug)
        title = f"build {place.slug} on {branch}"
        self.checked(record, title)
        body = body_of(branch, given)
        return Preview(
            verb=self.verb, ref=ref, record=record, args={"ref": branch, "inputs": args.get("inputs", "")}, title=title,
            steps=(self.step("POST", f"{place.repository}/requests", body),),
            impact=(
                f"the newest commit of {branch}, by its .travis.yml, with the secrets of {place.slug}",
                *((f"variables: {', '.join(given)}",) if given else ()),
            ),
            warnings=("one of about 10 builds an hour that the API may ask for",), before=f"{branch} as it is",
            after="the request is approved, and its build is listed", token=Wanted(body, secrets.token_hex(8)),
            why_no_inverse="the build that it starts is cancelled on its own row",
        )  # fmt: skip

    async def execute(self, preview: Preview) -> str:
        """Send it once, and remember which request it made."""
        place, wanted = self.place(preview.ref), preview.token
        answer = await self.api.write("POST", f"{place.repository}/requests", wanted.body)
        try:
            body = await answer.json()
        except QuarterdeckError:
            body = {}
        id = whole(section(body, "request").get("id")) or 0
        self._sent[wanted.key] = id
        while len(self._sent) > KEPT:
            self._sent.popitem(last=False)
        left = whole(body.get("remaining_requests")) if isinstance(body, Mapping) else None
        more = f", {left} more may be asked for within the hour" if left is not None else ""
        return f"Travis accepted it as request {id or '?'}{more}"

    async def verify(self, preview: Preview) -> Outcome:
        """The request has brought a build, or was rejected. Which build is no guess: the request names it."""
        place, id = self.place(preview.ref), self._sent.get(preview.token.key, 0)
        if not id:
            raise Timeout(
                preview.title, source=self.source.name, why="Travis's answer named no request, or did not arrive",
                mend="look for a new build in the list",
            )  # fmt: skip

        async def settled() -> Json | None:
            try:
                request = await self.api.object(f"{place.repository}/request/{id}")
            except NotFound:
                return None
            over = rows(request, "builds") or text(request.get("result")) == "rejected"
            return request if over else None

        request = await self.until(settled, preview, f"request {id} has brought no build")
        builds = rows(request, "builds")
        if not builds:
            why = shown(request.get("message")) or "Travis gives no reason"
            return Outcome(verified=False, message=f"request {id} was rejected: {why}", observed="rejected")
        build = await self._listed(place, builds[0])
        numbers = ", ".join(f"#{shown(each.get('number'), 30)}" for each in builds)
        record = self.source.builds.record(build, place.slug)
        return Outcome(verified=True, message=f"build {numbers} appeared: {record.state}", observed=str(record.ref))

    async def _listed(self, place: Place, build: Json) -> Json:
        number = whole(build.get("id"))
        if not number:
            raise Malformed("the request names a build without id", source=self.source.name)
        return await self.source.builds.read(place._replace(number=number))
