"""Who we are to this GitLab, and what the token may do.

https://docs.gitlab.com/api/personal_access_tokens/ https://docs.gitlab.com/user/profile/personal_access_tokens/
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from quarterdeck_adapters.ci.values import shown, text
from quarterdeck_lifecycle.errors import AuthFailed, QuarterdeckError
from quarterdeck_lifecycle.ports import Probe

if TYPE_CHECKING:
    from quarterdeck_adapters.gitlab.adapter import GitlabSource
    from quarterdeck_adapters.gitlab.projects import Projects

DEVELOPER, MAINTAINER = 30, 40
ROLES = {10: "guest", 15: "planner", 20: "reporter", 30: "developer", 40: "maintainer", 50: "owner"}
RUN_VERBS = (
    "run.rerun", "run.rerun_failed", "run.cancel", "run.trigger", "run.approve", "run.reject", "job.rerun",
    "job.cancel", "job.start", "deployment.redeploy",
)  # fmt: skip
DEPLOYMENT_VERBS = ("deployment.approve", "deployment.reject")
MERGE_VERBS = ("pull_request.approve", "pull_request.merge")
VERBS = (*RUN_VERBS, *DEPLOYMENT_VERBS, *MERGE_VERBS)
READ_ENOUGH = frozenset({"pull_request.approve"})
"""Verbs for which the project's rules decide and not the role alone."""
PREMIUM = "approvals of deployments need GitLab Premium, which this one is not"


class Rights:
    """What is known of what we may do; unknown is allowed, and GitLab decides."""

    def __init__(self) -> None:
        self.everywhere: dict[str, str] = {}
        self.projects: Projects | None = None

    def denied(self, verb: str, path: str) -> str | None:
        """The reason why a verb is not for us on a project, or None."""
        why = self.everywhere.get(verb)
        access = self.projects.access(path) if self.projects is not None else None
        if why is None and verb not in READ_ENOUGH and access is not None and access < DEVELOPER:
            return f"your role in {path} only reads ({ROLES.get(access, access)})"
        return why

    def learn(self, scopes: Sequence[str] | None, *, signed_in: bool, enterprise: bool | None) -> None:
        """What the scopes of the token allow, and whether this GitLab has what Premium brings."""
        self.everywhere = {}
        if not signed_in:
            self.everywhere = dict.fromkeys(VERBS, "no token: GitLab takes writes from nobody unknown")
        elif scopes is not None and "api" not in scopes:
            given = ", ".join(scopes) or "none"
            self.everywhere = dict.fromkeys(VERBS, f"the token may not write: it needs the scope api, it has {given}")
        if enterprise is False:
            self.everywhere |= dict.fromkeys(DEPLOYMENT_VERBS, PREMIUM)


async def probe(source: GitlabSource) -> Probe:
    """Ask what is there, who we are, and our role in each project. Raises QuarterdeckError."""
    api = source.api
    about = await api.object("/metadata") if api.credential.configured else {}
    enterprise = about.get("enterprise")
    scopes: list[str] | None = None
    ends, who = "", ""
    if api.credential.configured:
        who = text((await api.object("/user")).get("username"))
        try:
            token = await api.object("/personal_access_tokens/self")
            listed = token.get("scopes")
            scopes = [text(each) for each in listed] if isinstance(listed, list) else None
            ends = text(token.get("expires_at"))
        except AuthFailed:
            raise
        except QuarterdeckError:
            # A token of OAuth is none of the access tokens: it does not tell its scopes here.
            scopes = None
    signed_in = api.credential.configured
    source.rights.learn(scopes, signed_in=signed_in, enterprise=enterprise if isinstance(enterprise, bool) else None)
    warnings = [] if signed_in else ["no token: only public projects, and nothing can be driven"]
    if ends:
        warnings.append(f"the token ends {shown(ends, 40)}")
    if scopes is not None and (broad := [scope for scope in scopes if scope in ("sudo", "admin_mode")]):
        warnings.append(f"the token may do more than the deck needs ({', '.join(broad)}); the scope api does all of it")
    if source.insecure:
        warnings.append("its certificate is not verified (insecure: true)")
    warnings += source.notes
    failed: list[QuarterdeckError] = []
    for path in source.paths:
        try:
            await source.projects.read(path)
        except QuarterdeckError as error:
            failed.append(error)
            warnings.append(f"{path}: {error.short}")
    if failed and len(failed) == len(source.paths) and not signed_in:
        raise failed[0]
    reading = [path for path in source.paths if source.rights.denied("run.rerun", path) is not None]
    can: dict[str, str | None] = {}
    for verb in VERBS:
        denied = [source.rights.denied(verb, path) for path in source.paths]
        can[verb] = denied[0] if denied and all(denied) else source.rights.everywhere.get(verb)
    if reading and not source.rights.everywhere:
        warnings.append(f"your role only reads in {', '.join(reading)}")
    budget = api.budget
    rest = f", {budget.remaining} of {budget.limit} requests left" if budget else ""
    return Probe(
        version=text(about.get("version")),
        identity=f"{who or ('a token' if signed_in else 'nobody')} at {source.host}{rest}",
        evidence=f"{api.base}/metadata answered" if signed_in else f"{api.base}",
        warnings=tuple(warnings),
        can=can,
    )
