"""Who we are to this Travis, and what the token may do in each repository.

https://developer.travis-ci.com/resource/user and https://developer.travis-ci.com/resource/repository
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from quarterdeck_adapters.ci.api import together
from quarterdeck_adapters.ci.values import Json, shown, text
from quarterdeck_adapters.travis.places import repository_path
from quarterdeck_adapters.travis.rights import OF_REPOSITORY
from quarterdeck_lifecycle.errors import QuarterdeckError
from quarterdeck_lifecycle.ports import Probe

if TYPE_CHECKING:
    from quarterdeck_adapters.travis.adapter import TravisSource

ASKED = 20


async def probe(source: TravisSource) -> Probe:
    """Ask who we are, and for our rights in each repository. Raises QuarterdeckError."""
    api, slugs = source.api, source.slugs[:ASKED]
    warnings: list[str] = []
    evidence = f"{api.base}: no answer was asked for"
    if api.credential.configured:
        source.me = text((await api.object("/user")).get("login"))
        evidence = f"{api.base}/user answered as {shown(source.me, 60)}"
    else:
        warnings.append("no token: private repositories stay hidden, and every verb is refused")
    if source.insecure:
        warnings.append("its certificate is not verified (insecure: true)")
    warnings += source.notes
    answers = await together(api.object(repository_path(slug)) for slug in slugs)
    for slug, found in zip(slugs, answers, strict=True):
        if isinstance(found, QuarterdeckError):
            warnings.append(f"{slug}: {found.short}")
        elif isinstance(found, BaseException):
            raise found
        else:
            evidence = f"{api.base}{repository_path(slug)} answered" if not source.me else evidence
            source.learn(slug, found)
            warnings += [f"{slug}: {why}" for why in remarks(found)]
    can: dict[str, str | None] = {}
    for verb in OF_REPOSITORY:
        reasons = [source.rights.denied(verb, slug) for slug in slugs]
        can[verb] = reasons[0] if reasons and all(reasons) else None
    return Probe(
        version="API 3", identity=f"{source.me or 'nobody'} at {urlsplit(source.web).netloc}", evidence=evidence,
        warnings=tuple(warnings), can=can,
    )  # fmt: skip


def remarks(repository: Json) -> list[str]:
    """What keeps a repository from being built."""
    found = []
    if repository.get("active") is False:
        found.append("not active on Travis: nothing is built")
    if text(repository.get("migration_status")) in ("migrating", "migrated"):
        found.append("it is moving, or has moved, to travis-ci.com")
    return found
