"""Moving and removing aliases by a verb: read, compare, write once, read back.

Who moved it, when and from where is then written into the version's tags.
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping
from typing import TYPE_CHECKING

from quarterdeck_adapters.mlflow import mapping
from quarterdeck_adapters.mlflow.api import BASE
from quarterdeck_adapters.mlflow.moving import (
    ALIAS,
    as_rows,
    checked,
    move_tags,
    moved_by,
    oddities,
    place,
    standing,
    tag,
)
from quarterdeck_lifecycle.actor import Actor
from quarterdeck_lifecycle.errors import Conflict, QuarterdeckError, Refused, Unsupported
from quarterdeck_lifecycle.kinds import ModelVersion
from quarterdeck_lifecycle.ports import Action, Outcome, Preview, Step
from quarterdeck_lifecycle.records import Record, Ref, utc

if TYPE_CHECKING:
    from quarterdeck_adapters.mlflow.adapter import MlflowSource


class AliasVerb:
    """What both verbs share. The token is the version that the alias was on (empty: on none)."""

    verb = ""

    def __init__(self, source: MlflowSource) -> None:
        self.source = source
        self._untold: dict[Ref, str] = {}

    def permitted(self, record: Record) -> str | None:
        """None when it applies to this version now, else why not."""
        if not isinstance(record, ModelVersion):
            return f"not for a {record.kind}"
        return None

    async def unmoved(self, preview: Preview) -> tuple[str, str, str]:
        """Model, version and alias, when the alias is where the operator saw it. Raises Conflict."""
        name, number = self.source.split(preview.ref)
        alias = preview.args["alias"]
        found, raw = await standing(self.source.registry, name, alias)
        if found != preview.token:
            raise Conflict(
                "nothing was sent", source=self.source.name,
                why=f"@{alias} of {name} was {place(preview.token)} and is {place(found)} now, {moved_by(alias, raw)}",
                mend="look again, then decide anew",
            )  # fmt: skip
        return name, number, alias

    async def told(self, ref: Ref, tags: Mapping[str, str]) -> str:
        """Write tags on a version; what went wrong, in words, as the alias itself is already moved."""
        name, number = self.source.split(ref)
        try:
            for key, value in tags.items():
                body = {"name": name, "version": number, "key": key, "value": value}
                await self.source.api.post("model-versions/set-tag", body)
        except QuarterdeckError as error:
            self._untold[ref] = f"; who and when could not be written into its tags: {error.short}"
            return self._untold[ref]
        self._untold.pop(ref, None)
        return f"; who and when are in the tags of v{number}"

    def who(self) -> str:
        """The operator, as the tags tell."""
        actor = Actor.current(environ=self.source.context.env)
        return f"{actor}@{actor.host}"

    def at(self) -> str:
        """Now, in RFC 3339."""
        return utc(self.source.context.now()) or ""

    def command(self, ref: Ref, alias: str) -> str:
        """The same verb without a screen."""
        return shlex.join(["quarterdeck", "do", self.verb, str(ref), "--arg", f"alias={alias}"])

    async def impact(self, name: str, alias: str) -> tuple[str, ...]:
        """Who loads a model by this alias, as the config says."""
        found = [
            f"{service} loads {name}@{alias} when it starts: it serves the new version after its next start"
            for service, config in self.source.context.config.services.items()
            if config.model == f"{name}@{alias}"
        ]
        return tuple(found) or (f"no service of the config loads {name}@{alias}",)

    async def outcome(self, preview: Preview, wanted: str) -> Outcome:
        """Read the alias back."""
        name, _ = self.source.split(preview.ref)
        alias = preview.args["alias"]
        found, _ = await standing(self.source.registry, name, alias)
        seen = f"@{alias} of {name} is {place(found)}, read back"
        if found == wanted:
            return Outcome(verified=True, message=seen + self._untold.pop(preview.ref, ""), observed=place(found))
        return Outcome(verified=False, message=f"{seen}, not {place(wanted)}", observed=place(found))


class SetAlias(AliasVerb):
    """`version.set_alias`: the alias goes to this version. `args`: alias, and version for an inverse."""

    verb = "version.set_alias"

    async def preview(self, ref: Ref, args: Mapping[str, str]) -> Preview:
        """What would be sent, from the alias as it is now. Raises QuarterdeckError."""
        self.source.check(ref)
        if ref.kind != "version":
            raise Unsupported(f"an alias names a version, not a {ref.kind}", source=self.source.name)
        name, number = self.source.split(ref)
        number = args.get("version") or number
        alias = checked(args.get("alias", ""), self.source.name)
        target = await self.source.registry.read_version(name, number)
        before, current = await standing(self.source.registry, name, alias)
        if before == number:
            raise Refused("nothing to do", source=self.source.name, why=f"@{alias} is already on v{number}")
        model = await self.source.registry.read_model(name)
        both = [target, *([current] if current else [])]
        found = await as_rows(self.source.registry, both, model)
        to = mapping.version_ref(self.source.name, name, number)
        body = {"name": name, "alias": alias, "version": number}
        tags = ", ".join(tag(alias, key) for key in ("by", "at", "from"))
        return Preview(
            verb=self.verb,
            ref=to,
            record=found[0],
            args={"alias": alias},
            title=f"move @{alias} of {name} to v{number}",
            steps=(
                Step(call=f"POST {BASE}/{ALIAS}", detail=json.dumps(body)),
                Step(call=f"POST {BASE}/model-versions/set-tag", detail=f"on v{number}: {tags}"),
            ),
            impact=await self.impact(name, alias),
            warnings=oddities(self.source.registry, found, both, model),
            before=f"@{alias} {place(before)}",
            after=f"@{alias} {place(number)}",
            token=before,
            inverse=(self.verb, {"alias": alias, "version": before})
            if before
            else (RemoveAlias.verb, {"alias": alias}),
            command=self.command(to, alias),
        )

    async def execute(self, preview: Preview) -> str:
        """Set the alias, once. Raises Conflict when it moved since the preview."""
        name, number, alias = await self.unmoved(preview)
        await self.source.api.post(ALIAS, {"name": name, "alias": alias, "version": number})
        found, _ = await standing(self.source.registry, name, alias)
        if found != number:
            return f"set, but another writer put @{alias} {place(found)} at the same moment"
        tags = move_tags(alias, by=self.who(), at=self.at(), origin=preview.token)
        return f"@{alias} set{await self.told(preview.ref, tags)}"

    async def verify(self, preview: Preview) -> Outcome:
        """Read back where the alias is."""
        return await self.outcome(preview, self.source.split(preview.ref)[1])


class RemoveAlias(AliasVerb):
    """`version.remove_alias`: the alias that is on this version goes."""

    verb = "version.remove_alias"

    def permitted(self, record: Record) -> str | None:
        """Only a version that has an alias can lose one."""
        if isinstance(record, ModelVersion) and not record.aliases:
            return "it has no alias"
        return super().permitted(record)

    async def preview(self, ref: Ref, args: Mapping[str, str]) -> Preview:
        """What would be sent, from the alias as it is now. Raises QuarterdeckError."""
        self.source.check(ref)
        if ref.kind != "version":
            raise Unsupported(f"an alias names a version, not a {ref.kind}", source=self.source.name)
        name, number = self.source.split(ref)
        alias = checked(args.get("alias", ""), self.source.name)
        found, raw = await standing(self.source.registry, name, alias)
        if found != number:
            raise Refused(
                "nothing was removed", source=self.source.name, why=f"@{alias} is {place(found)}, not v{number}"
            )
        model = await self.source.registry.read_model(name)
        shown, _ = await self.source.registry.rows([raw], {name: model})
        return Preview(
            verb=self.verb,
            ref=ref,
            record=shown[0],
            args={"alias": alias},
            title=f"remove @{alias} of {name}",
            steps=(
                Step(call=f"DELETE {BASE}/{ALIAS}", detail=json.dumps({"name": name, "alias": alias})),
                Step(call=f"POST {BASE}/model-versions/set-tag", detail=f"on v{number}: who removed it, and when"),
            ),
            impact=await self.impact(name, alias),
            warnings=(f"whatever loads {name}@{alias} cannot start without it",),
            before=f"@{alias} v{number}",
            after=f"no @{alias}",
            token=number,
            inverse=(SetAlias.verb, {"alias": alias}),
            command=self.command(ref, alias),
        )

    async def execute(self, preview: Preview) -> str:
        """Remove the alias, once. Raises Conflict when it moved since the preview."""
        name, _, alias = await self.unmoved(preview)
        await self.source.api.delete(ALIAS, {"name": name, "alias": alias})
        tags = {tag(alias, "removed_by"): self.who(), tag(alias, "removed_at"): self.at()}
        return f"@{alias} removed{await self.told(preview.ref, tags)}"

    async def verify(self, preview: Preview) -> Outcome:
        """Read back that the alias is gone."""
        return await self.outcome(preview, "")


def actions(source: MlflowSource) -> dict[str, Action]:
    """Every mutation of this source."""
    return {SetAlias.verb: SetAlias(source), RemoveAlias.verb: RemoveAlias(source)}
