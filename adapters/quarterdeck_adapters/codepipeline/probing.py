"""Who we are to AWS, by STS, and whether the pipelines may be read.

https://docs.aws.amazon.com/STS/latest/APIReference/API_GetCallerIdentity.html
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from quarterdeck_adapters.ci.values import shown, text
from quarterdeck_lifecycle.errors import AuthFailed, QuarterdeckError, ToolMissing
from quarterdeck_lifecycle.ports import Probe

if TYPE_CHECKING:
    from quarterdeck_adapters.codepipeline.adapter import CodePipelineSource

API_VERSION = "2015-07-09"
VERBS = (
    "run.rerun", "run.rerun_failed", "run.cancel", "run.approve", "run.reject", "run.trigger", "job.rerun",
    "job.rollback", "job.hold", "job.release",
)  # fmt: skip


async def probe(source: CodePipelineSource) -> tuple[Probe, str]:
    """The probe, and the name of who signs. Raises QuarterdeckError."""
    warnings = list(source.given.notes)
    arn = account = ""
    try:
        answer = await source.clients.call("sts", "GetCallerIdentity")
        arn, account = text(answer.get("Arn")), text(answer.get("Account"))
        evidence = f"STS answered for account {account}"
    except (AuthFailed, ToolMissing):
        raise
    except QuarterdeckError as error:
        warnings.append(f"who signs is not known: {error.short}")
        evidence = ""
    names, note = await source.runs.names()
    if not evidence:
        await source.runs.declared(names[0])
        evidence = f"{source.address} answered"
    if note:
        warnings.append(note)
    if arn.endswith(":root"):
        warnings.append("it signs as the account's root: use a role that may do no more than it needs")
    if source.insecure:
        warnings.append("its certificate is not verified (insecure: true)")
    who = shown(arn.rpartition("/")[2] or arn.rpartition(":")[2])
    where = source.clients.region or "an unknown region"
    found = Probe(
        version=API_VERSION, identity=f"{shown(arn) or 'somebody'} in {where}, {len(names)} pipelines",
        evidence=evidence, warnings=tuple(warnings), can={verb: source.denied.get(verb) for verb in VERBS},
    )  # fmt: skip
    return found, who
