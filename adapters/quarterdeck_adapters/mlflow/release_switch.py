"""Moving an alias for a release, and back: every write is told on the versions themselves, before and after.

The version that an operation moves the alias to is claimed first: the tag `quarterdeck.alias.ALIAS.claim` holds the
operation, `move` or `back`, and the time. Whatever a stop leaves, the claim and the alias together say what was done,
so that each step can be done twice and the way back needs no memory. A stranger's move is never overwritten.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import msgspec

from quarterdeck_adapters.mlflow.moving import ALIAS, move_tags, moved_by, place, standing, tag
from quarterdeck_adapters.mlflow.registry import Registry
from quarterdeck_adapters.mlflow.values import Json, pairs, text
from quarterdeck_lifecycle.errors import Conflict, NotFound
from quarterdeck_lifecycle.records import utc
from quarterdeck_lifecycle.release.model import MARK, Change, Marks
from quarterdeck_lifecycle.release.ports import Fence
from quarterdeck_lifecycle.served import move_told

LEFT = ("left_at", "removed_at", "removed_by")
"""Tags that end a stay: they go when the alias comes again."""
FIELDS = tuple(name for name in Marks.__struct_fields__ if name not in ("op", "at"))


class Claim(msgspec.Struct, frozen=True):
    """Which operation moves the alias to the version that bears it, or back from it (`back`), and since when."""

    op: str
    back: bool
    at: str

    def __str__(self) -> str:
        return f"{self.op} {'back' if self.back else 'move'} {self.at}"


def read_claim(alias: str, tags: Mapping[str, str]) -> Claim | None:
    """The claim among a version's tags. One that a later move by somebody else outlived is none any more."""
    words = tags.get(tag(alias, "claim"), "").split(" ")
    if len(words) != 3 or words[1] not in ("move", "back"):
        return None
    claim = Claim(words[0], words[1] == "back", words[2])
    told = move_told(alias, {tag(alias, "at"): claim.at})
    later = move_told(alias, tags)
    if told is not None and later is not None and later.at > told.at:
        return None
    return claim


def marks_of(alias: str, tags: Mapping[str, str]) -> Marks | None:
    """The marks of the release that brought the alias to the version with these tags, or back to it.

    None when it left since, came again by other hands, or a move is not told to its end.
    """
    at = tags.get(tag(alias, "at"), "")
    op, _, moved_at = tags.get(tag(alias, "claim"), "").partition(" move ")
    _, _, back_at = tags.get(tag(alias, "put_back"), "").partition(" ")
    by_move = moved_at == at and op == tags.get(tag(alias, "op"), "")
    if not at or not (by_move or back_at == at) or move_told(alias, tags) is None:
        return None
    return Marks.read({f"{MARK}{name}": tags[tag(alias, name)] for name in Marks.__struct_fields__
                       if tags.get(tag(alias, name))})  # fmt: skip


class Switch:
    """The writes of one alias's releases. `fence` is awaited right before every one of them."""

    def __init__(self, registry: Registry, model: str, alias: str, now: Callable[[], float]) -> None:
        self.fence: Fence | None = None
        self._registry = registry
        self._api = registry.api
        self._model = model
        self._alias = alias
        self._now = now

    # the way forward

    async def move(self, change: Change) -> str:
        """The alias to the new version, from where the plan saw it, read back and told in tags. Raises Conflict."""
        to, before = change.to.digest, change.facts["before"]
        found, raw = await self.standing()
        if found == to:
            claim = self._mine(change, pairs(raw, "tags"))
            if claim is None or claim.back:
                raise self._stranger("nothing was sent", found, raw)
            if pairs(raw, "tags").get(tag(self._alias, "op")) == change.op:
                return f"@{self._alias} is on v{to} already, read back"
        elif found == before:
            claim = await self._set(change, to)
        else:
            raise self._stranger("nothing was sent", found, raw)
        await self._tell_move(change, claim.at)
        return f"@{self._alias} set from {place(before)} to v{to}, read back; who, when and from are in its tags"

    async def _set(self, change: Change, to: str) -> Claim:
        tags = pairs(await self.ready(to), "tags")
        claim = Claim(change.op, False, utc(self._now()) or "")
        await self._write(to, tags, {tag(self._alias, "claim"): str(claim)})
        await self._post(ALIAS, {"name": self._model, "alias": self._alias, "version": to})
        await self._read_back(to)
        return claim

    async def _tell_move(self, change: Change, at: str) -> None:
        to, before = change.to.digest, change.facts["before"]
        tags = await self._tags(to)
        marks = change.marks()
        said = {tag(self._alias, name): str(getattr(marks, name)) for name in FIELDS if getattr(marks, name)}
        said |= move_tags(self._alias, by=change.actor, at=at, origin=before)
        if before and before != to:
            await self._leave(before, {tag(self._alias, "left_at"): at})
        stale = [tag(self._alias, name) for name in (*LEFT, *FIELDS) if tag(self._alias, name) not in said]
        await self._remove(to, tags, stale)
        await self._write(to, tags, said)
        await self._write(to, tags, {tag(self._alias, "op"): change.op})

    async def prove(self, change: Change) -> str:
        """Write on the version that a gate passed on it, for whoever looks for something to go back to."""
        to = change.to.digest
        found, raw = await self.standing()
        tags = pairs(raw, "tags")
        if found != to or self._mine(change, tags) is None:
            raise self._stranger(f"v{to} was not marked as proven", found, raw)
        await self._write(to, tags, {tag(self._alias, "proven"): change.op})
        await self._remove(to, tags, [tag(self._alias, "failed")])
        return f"v{to} is marked as proven"

    # the way back

    async def back(self, change: Change) -> str:
        """The alias where the plan puts it back, if it is on ours. Raises Conflict when somebody else moved it."""
        to, before, back = change.to.digest, change.facts["before"], change.facts["back"]
        found, raw = await self.standing()
        tags = pairs(raw, "tags") if found == to else await self._tags(to)
        claim = self._mine(change, tags)
        if claim is None:
            if found in (before, back) and found != to:
                return f"@{self._alias} is {place(found)}: nothing to put back"
            raise self._stranger("it was not put back", found, raw)
        if found == to:
            claim = await self._set_back(change, tags, back)
        elif found not in (before, back):
            raise self._stranger("it was not put back", found, raw)
        if claim.back and await self._is_on(back):
            await self._tell_back(change, claim.at)
            told = f"@{self._alias} is {place(back)} again, read back"
        else:
            told = f"@{self._alias} is {place(found)}, and was left there"
        await self._remove(to, await self._tags(to), [tag(self._alias, "claim")])
        return told

    async def _set_back(self, change: Change, tags: Mapping[str, str], back: str) -> Claim:
        if back:
            await self.present(back)
        claim = Claim(change.op, True, utc(self._now()) or "")
        await self._write(change.to.digest, tags, {tag(self._alias, "claim"): str(claim)})
        if back:
            await self._post(ALIAS, {"name": self._model, "alias": self._alias, "version": back})
        else:
            await self._guard()
            await self._api.delete(ALIAS, {"name": self._model, "alias": self._alias})
        await self._read_back(back)
        return claim

    async def _tell_back(self, change: Change, at: str) -> None:
        to, back = change.to.digest, change.facts["back"]
        if back:
            tags = await self._tags(back)
            said = move_tags(self._alias, by=change.actor, at=at, origin=to)
            await self._remove(back, tags, [tag(self._alias, name) for name in LEFT])
            await self._write(back, tags, {**said, tag(self._alias, "put_back"): f"{change.op} {at}"})
        ended = {"left_at": at} if back else {"removed_at": at, "removed_by": change.actor}
        await self._leave(to, {tag(self._alias, name): value for name, value in {**ended, "failed": change.op}.items()})

    async def unclaim(self, change: Change) -> str:
        """Take a claim away that led to no move."""
        to = change.to.digest
        found, _ = await self.standing()
        tags = await self._tags(to)
        if found == to or self._mine(change, tags) is None:
            return "nothing was prepared"
        await self._remove(to, tags, [tag(self._alias, "claim")])
        return f"v{to} is not claimed any more"

    # reading

    async def standing(self) -> tuple[str, Json]:
        """The version that the alias is on (empty: none), and that version. Raises QuarterdeckError."""
        return await standing(self._registry, self._model, self._alias)

    async def ready(self, version: str) -> Json:
        """A version that may be served. Raises Conflict when it is not READY, NotFound."""
        raw = await self._registry.read_version(self._model, version)
        if (state := text(raw.get("status")) or "READY") != "READY":
            why = text(raw.get("status_message")) or "its registration has not ended well"
            raise Conflict(f"v{version} of {self._model} is {state}", source=self._api.source, why=why)
        return raw

    async def present(self, version: str) -> Json:
        """A version that is still there. Raises Conflict where it is gone."""
        try:
            return await self._registry.read_version(self._model, version)
        except NotFound as error:
            raise Conflict(
                "it was not put back", source=self._api.source, why=f"v{version} of {self._model} was deleted",
                mend=f"promote another version to @{self._alias}",
            ) from error  # fmt: skip

    def mine(self, change: Change, raw: Json) -> bool:
        """Whether the version that the alias is on was claimed by this change."""
        return self._mine(change, pairs(raw, "tags")) is not None

    def _mine(self, change: Change, tags: Mapping[str, str]) -> Claim | None:
        claim = read_claim(self._alias, tags)
        return claim if claim is not None and claim.op == change.op else None

    async def _tags(self, version: str) -> dict[str, str]:
        """The tags of a version as they are now; none where it is gone."""
        return await self._tags_if_there(version) or {}

    async def _tags_if_there(self, version: str) -> dict[str, str] | None:
        try:
            return pairs(await self._registry.read_version(self._model, version), "tags")
        except NotFound:
            return None

    async def _is_on(self, version: str) -> bool:
        return (await self.standing())[0] == version

    async def _read_back(self, wanted: str) -> None:
        found, raw = await self.standing()
        if found != wanted:
            raise Conflict(
                f"@{self._alias} of {self._model} is not {place(wanted)}", source=self._api.source,
                why=f"another writer put it {place(found)} at the same moment: {moved_by(self._alias, raw)}",
                mend="find out who, then decide anew",
            )  # fmt: skip

    def _stranger(self, what: str, found: str, raw: Json) -> Conflict:
        where = f"@{self._alias} of {self._model} is {place(found)} now"
        return Conflict(
            what, source=self._api.source, why=f"{where}, {moved_by(self._alias, raw)}; it was left there",
            mend="find out who moved it, then decide anew",
        )  # fmt: skip

    # writing

    async def _guard(self) -> None:
        if self.fence is not None:
            await self.fence()

    async def _post(self, path: str, body: Mapping[str, str]) -> None:
        await self._guard()
        await self._api.post(path, body)

    async def _write(self, version: str, tags: Mapping[str, str], said: Mapping[str, str]) -> None:
        """Set the tags that are not there yet."""
        for key, value in said.items():
            if tags.get(key) != value:
                body = {"name": self._model, "version": version, "key": key, "value": value}
                await self._post("model-versions/set-tag", body)

    async def _leave(self, version: str, said: Mapping[str, str]) -> None:
        """Set tags on a version that the alias left, if that version is still there."""
        if (tags := await self._tags_if_there(version)) is not None:
            await self._write(version, tags, said)

    async def _remove(self, version: str, tags: Mapping[str, str], keys: list[str]) -> None:
        for key in keys:
            if key in tags:
                await self._guard()
                body = {"name": self._model, "version": version, "key": key}
                await self._api.delete("model-versions/delete-tag", body)
