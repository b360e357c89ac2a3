"""Who we are to this GitHub, what the token may do, and what it may do that the deck never needs.

https://docs.github.com/en/apps/oauth-apps/building-oauth-apps/scopes-for-oauth-apps
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from quarterdeck_adapters.ci.values import section, shown, text, whole
from quarterdeck_adapters.github.api import VERSION, together
from quarterdeck_lifecycle.errors import Forbidden, NotFound, QuarterdeckError
from quarterdeck_lifecycle.ports import Probe

if TYPE_CHECKING:
    from quarterdeck_adapters.github.adapter import GithubSource

RUN_VERBS = ("run.rerun", "run.rerun_failed", "run.cancel", "run.trigger", "job.rerun", "deployment.redeploy")
GATE_VERBS = ("run.approve", "run.reject", "deployment.approve", "deployment.reject")
PULL_VERBS = ("pull_request.approve", "pull_request.merge")
VERBS = (*RUN_VERBS, *GATE_VERBS, *PULL_VERBS)
READ_ENOUGH = frozenset({"pull_request.approve", *GATE_VERBS})
"""Verbs for which a role that only reads is enough."""
ASKED = 20
_BROAD = ("admin:", "delete_", "site_admin", "codespace", "write:org", "write:packages", "workflow", "user", "gist")
_NARROW = "a fine-grained token with Actions, Contents, Deployments and Pull requests: write does all that the deck can"


class Rights:
    """What is known of what we may do; unknown is allowed, and GitHub decides."""

    def __init__(self) -> None:
        self.everywhere: dict[str, str] = {}
        self.roles: dict[str, bool] = {}

    def denied(self, verb: str, slug: str) -> str | None:
        """The reason why a verb is not for us on a repository, or None."""
        why = self.everywhere.get(verb)
        if why is None and verb not in READ_ENOUGH and self.roles.get(slug.lower()) is False:
            return f"your role in {slug} only reads"
        return why

    def learn(self, scopes: Sequence[str] | None, *, signed_in: bool) -> None:
        """What the scopes of a classic token allow; other tokens do not tell theirs."""
        self.everywhere = {}
        if not signed_in:
            self.everywhere = dict.fromkeys(VERBS, "no token: GitHub takes writes from nobody unknown")
        elif scopes is not None and not {"repo", "public_repo"} & set(scopes):
            self.everywhere = dict.fromkeys(VERBS, "the token lacks the scope repo")


def scopes_of(header: str | None) -> list[str] | None:
    """The scopes of a classic token; None for the tokens that have none to tell (fine-grained, of an app)."""
    return None if header is None else [scope.strip() for scope in header.split(",") if scope.strip()]


def remarks(scopes: Sequence[str] | None, *, signed_in: bool) -> list[str]:
    """What is too much, and what is missing, in a token's scopes."""
    if not signed_in:
        return ["no token: 60 requests an hour for this address, no private repository, no jobs, checks or reviews"]
    if scopes is None:
        return []
    found = []
    if broad := [scope for scope in scopes if scope.startswith(_BROAD)]:
        found.append(f"the token may do more than the deck needs ({', '.join(broad)}); {_NARROW}")
    if not {"repo", "public_repo"} & set(scopes):
        found.append("the token has no scope repo: private repositories stay hidden, and every verb is refused")
    return found


async def probe(source: GithubSource) -> Probe:
    """Ask who we are, and our role in each repository. Raises QuarterdeckError."""
    api = source.api
    signed_in = api.credential.configured
    path = "/user" if signed_in else "/rate_limit"
    try:
        answer = await api.answer(path)
        body = await answer.json()
    except (Forbidden, NotFound):
        if not signed_in:
            raise
        # The token of an installation is no user; it may read its own limits.
        path, answer = "/rate_limit", await api.answer("/rate_limit")
        body = {}
    who = text(section({"user": body}, "user").get("login")) if path == "/user" else ""
    scopes = scopes_of(answer.headers.get("x-oauth-scopes")) if path == "/user" else None
    source.rights.learn(scopes, signed_in=signed_in)
    warnings = remarks(scopes, signed_in=signed_in)
    if signed_in and (end := answer.headers.get("github-authentication-token-expiration", "")):
        warnings.append(f"the token ends {shown(end, 60)}")
    if source.insecure:
        warnings.append("its certificate is not verified (insecure: true)")
    warnings += source.notes
    slugs = source.slugs[:ASKED]
    for slug, found in zip(slugs, await together(api.object(f"/repos/{slug}") for slug in slugs), strict=True):
        if isinstance(found, QuarterdeckError):
            warnings.append(f"{slug}: {found.short}")
        elif isinstance(found, BaseException):
            raise found
        else:
            push = section(found, "permissions").get("push")
            source.rights.roles[slug.lower()] = push is not False
    reading = [slug for slug in slugs if source.rights.roles.get(slug.lower()) is False]
    if reading:
        warnings.append(f"your role only reads in {', '.join(reading)}")
    everywhere = bool(slugs) and len(reading) == len(slugs)
    can = {
        verb: source.rights.everywhere.get(verb)
        or ("your role only reads" if everywhere and verb not in READ_ENOUGH else None)
        for verb in VERBS
    }
    budget = api.budget
    left = f", {budget.remaining} of {budget.limit} requests left" if budget else ""
    named = f"{who or ('an installation' if signed_in else 'nobody')} at {source.host}{left}"
    enterprise = answer.headers.get("x-github-enterprise-version", "")
    return Probe(
        version=f"Enterprise {enterprise}" if enterprise else VERSION,
        identity=named,
        evidence=f"{api.base}{path} answered {whole(answer.status)}",
        warnings=tuple(warnings),
        can=can,
    )
