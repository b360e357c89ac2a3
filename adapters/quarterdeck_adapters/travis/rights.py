"""What Travis says that this token may do: @permissions of repositories, builds and jobs.

https://developer.travis-ci.com/permissions
"""

from __future__ import annotations

from collections import OrderedDict

from quarterdeck_adapters.ci.values import Json, section, whole

KEPT = 5000
OF_REPOSITORY = {
    "run.rerun": "build_restart", "run.rerun_failed": "build_restart", "run.cancel": "build_cancel",
    "run.trigger": "create_request", "job.rerun": "build_restart", "job.cancel": "build_cancel",
}  # fmt: skip
OF_THING = {
    "run.rerun": "restart", "run.rerun_failed": "restart", "run.cancel": "cancel", "job.rerun": "restart",
    "job.cancel": "cancel",
}  # fmt: skip
_DOES = {
    "build_restart": "restart builds", "build_cancel": "cancel builds", "create_request": "ask for builds",
    "restart": "restart", "cancel": "cancel",
}  # fmt: skip


class Rights:
    """What is known of what we may do; unknown is allowed, and Travis decides."""

    def __init__(self, *, signed_in: bool) -> None:
        self.signed_in = signed_in
        self._repositories: dict[str, dict[str, bool]] = {}
        self._things: OrderedDict[tuple[str, int], dict[str, bool]] = OrderedDict()

    def learn(self, kind: str, payload: Json) -> None:
        """Remember the @permissions of a build (`run`) or job."""
        id = whole(payload.get("id"))
        if id is None:
            return
        self._things[kind, id] = _told(payload)
        self._things.move_to_end((kind, id))
        while len(self._things) > KEPT:
            self._things.popitem(last=False)

    def learn_repository(self, slug: str, payload: Json) -> None:
        """Remember the @permissions of a repository."""
        self._repositories[slug.lower()] = _told(payload)

    def denied(self, verb: str, slug: str, kind: str = "", id: int = 0) -> str | None:
        """The reason why a verb is not for us, or None."""
        if not self.signed_in:
            return "no token: Travis takes writes from nobody unknown"
        right = OF_THING.get(verb, "")
        if self._things.get((kind, id), {}).get(right) is False:
            what = "build" if kind == "run" else kind
            return f"the token may not {_DOES[right]} this {what} (its @permissions say {right}: false)"
        right = OF_REPOSITORY.get(verb, "")
        if self._repositories.get(slug.lower(), {}).get(right) is False:
            return f"the token may not {_DOES[right]} of {slug} (its @permissions say {right}: false)"
        return None


def _told(payload: Json) -> dict[str, bool]:
    return {name: value for name, value in section(payload, "@permissions").items() if isinstance(value, bool)}
