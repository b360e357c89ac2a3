"""Who we are to this controller, and what we may do, as far as it tells: a missing permission shows when it is needed.

https://www.jenkins.io/doc/book/security/managing-security/
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from quarterdeck_adapters.ci.values import shown, text
from quarterdeck_lifecycle.errors import Forbidden, NotFound
from quarterdeck_lifecycle.ports import Probe

if TYPE_CHECKING:
    from quarterdeck_adapters.jenkins.adapter import JenkinsSource

VERBS = (
    "run.rerun", "run.rerun_failed", "run.cancel", "run.approve", "run.reject", "run.trigger", "job.rerun",
)  # fmt: skip
NOBODY = "no credential: Jenkins lets nobody unknown act"


class Rights:
    """What is known of what we may do; unknown is allowed, and Jenkins decides."""

    def __init__(self, *, signed_in: bool) -> None:
        self._nobody = "" if signed_in else NOBODY
        self._refused: dict[tuple[str, str], str] = {}

    def denied(self, verb: str, job: str = "") -> str | None:
        """The reason why a verb is not for us on a job, or None."""
        return self._nobody or self._refused.get((verb, job))

    def refused(self, verb: str, job: str, error: Forbidden) -> None:
        """Jenkins refused it: so it is greyed on that job until the next probe. Permissions may differ by folder."""
        self._refused[verb, job] = error.why

    def forget(self) -> None:
        """Ask anew: permissions are given, too."""
        self._refused.clear()


async def probe(source: JenkinsSource) -> Probe:
    """Ask who we are, and how the controller is. Raises QuarterdeckError."""
    api = source.api
    source.rights.forget()
    top = await api.fields("", "_class,mode,nodeDescription,quietingDown,useCrumbs,useSecurity,url")
    try:
        who = await api.fields("/whoAmI", "name,anonymous,authenticated")
    except (NotFound, Forbidden):
        who = {}
    name = text(who.get("name")) if who.get("anonymous") is not True else ""
    warnings = list(source.notes)
    if not api.version:
        warnings.append("no X-Jenkins header: is this a Jenkins?")
    if top.get("quietingDown") is True:
        warnings.append("Jenkins is about to shut down: nothing new starts")
    if top.get("useSecurity") is False:
        warnings.append("this Jenkins asks nobody who they are: everybody may do everything")
    if source.bearer:
        warnings.append("token: without username: Jenkins takes an API token as the password of its user")
    if source.insecure:
        warnings.append("its certificate is not verified (insecure: true)")
    own = text(top.get("url")).rstrip("/")
    if own and own.partition("://")[2] != source.address.partition("://")[2]:
        warnings.append(f"it names itself {shown(own)}: links of its own lead there")
    source.me = name
    return Probe(
        version=api.version, identity=f"{name or 'nobody'} at {source.host}",
        evidence=f"{source.address}/api/json answered with Jenkins {api.version}".rstrip(), warnings=tuple(warnings),
        can={verb: source.rights.denied(verb) for verb in VERBS},
    )  # fmt: skip
