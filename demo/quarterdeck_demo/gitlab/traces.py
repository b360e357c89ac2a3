"""The log of a job as its runner writes it, as far as it has come by a moment.

Sections: https://docs.gitlab.com/ci/jobs/job_logs/#create-custom-collapsible-sections
"""

from __future__ import annotations

from quarterdeck_demo.gitlab.progress import Attempt, LivePipeline, Moment

RUNNER = (
    "\x1b[0KRunning with gitlab-runner 17.11.0 (0f67ff19)\x1b[0;m\n"
    "\x1b[0K  on builder-2 x7Kq9, system ID: s_8d1\x1b[0;m\n"
)


def _begin(at: float, name: str, title: str) -> str:
    return f"section_start:{int(at)}:{name}\r\x1b[0K\x1b[0K\x1b[36;1m{title}\x1b[0;m\x1b[0;m\n"


def _end(at: float, name: str) -> str:
    return f"section_end:{int(at)}:{name}\r\x1b[0K\n"


def trace(live: LivePipeline, attempt: Attempt, moment: Moment, now: float, path: str) -> str:
    """The text; empty before a runner has the job."""
    start = moment.started_at
    if start is None:
        return ""
    plan, until = attempt.plan, moment.finished_at if moment.finished_at is not None else now
    text = RUNNER + _begin(start, "prepare_executor", "Preparing the \"docker\" executor")
    text += "Using Docker executor with image python:3.12 ...\n" + _end(start + 1, "prepare_executor")
    if until < start + 1:
        return text
    text += _begin(start + 1, "get_sources", "Getting source from Git repository")
    text += f"\x1b[32;1mFetching changes with git depth set to 20...\x1b[0;m\nChecking out {live.plan.sha[:8]} as "
    text += f"detached HEAD (ref is {live.plan.ref})...\n" + _end(start + 2, "get_sources")
    if until < start + 2:
        return text
    text += _begin(start + 2, "step_script", "Executing \"step_script\" stage of the job script")
    lines = list(plan.log[:1] if plan.every else plan.log)
    text += "".join(f"{line}\n" for line in lines[: 1 + int((until - start) / 2)])
    if plan.every:
        done = int((until - start - 2) / plan.every)
        whole = max(1, int(plan.seconds / plan.every))
        text += "".join(
            f"step {n}/{whole} loss {0.7 / (1 + n * 0.05):.4f} {path}\n" for n in range(1, min(done, whole) + 1)
        )
    if moment.status in ("running", "canceling"):
        return text
    if moment.status == "failed":
        if plan.every:
            text += "MemoryError: Unable to allocate 3.11 GiB for an array with shape (412019, 1012)\n"
        return text + _end(until, "step_script") + _failure(plan.exit_code, moment.reason)
    if moment.status == "canceled":
        return text + "\x1b[31;1mERROR: Job failed: canceled\x1b[0;m\n"
    text += _end(until - 1, "step_script") + _begin(until - 1, "cleanup_file_variables", "Cleaning up")
    return text + _end(until, "cleanup_file_variables") + "\x1b[32;1mJob succeeded\x1b[0;m\n"


def _failure(code: int, reason: str) -> str:
    if reason == "runner_system_failure":
        return "\x1b[31;1mERROR: Job failed (system failure): Cannot connect to the Docker daemon\x1b[0;m\n"
    return f"\x1b[31;1mERROR: Job failed: exit code {code}\n\x1b[0;m"
