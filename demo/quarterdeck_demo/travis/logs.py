"""A job's log as its worker writes it, in parts that grow with the clock.

Folds and times: https://docs.travis-ci.com/user/customizing-the-build/ and the markers of
https://github.com/travis-ci/travis-build/tree/master/lib/travis/build/bash
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import Any, NamedTuple

from quarterdeck_demo.travis.plans import Phase
from quarterdeck_demo.travis.progress import ENDED, JobMoment

AGGREGATED_S = 10.0
"""Seconds after the last part at which all parts become one (https://github.com/travis-ci/travis-logs)."""
ROUNDING_S = 0.001
CLEAR = "\r\x1b[0K"


class Part(NamedTuple):
    """A piece of a log; the last one is `final`."""

    at: float
    content: str
    final: bool = False


def _phase(job: JobMoment, number: int, phase: Phase, start: float) -> Iterator[Part]:
    mark = hashlib.sha256(f"{job.job.id}/{number}".encode()).hexdigest()[:8]
    end = start + phase.seconds
    fold = phase.fold != "script"
    head = f"travis_fold:start:{phase.fold}{CLEAR}" if fold else ""
    yield Part(start, f"{head}travis_time:start:{mark}{CLEAR}$ {phase.command}\r\n")
    for place, line in enumerate(phase.lines, 1):
        yield Part(start + phase.seconds * place / (len(phase.lines) + 1), f"{line}\r\n")
    nanos = f"start={int(start * 1e9)},finish={int(end * 1e9)},duration={int(phase.seconds * 1e9)}"
    tail = f"travis_fold:end:{phase.fold}{CLEAR}" if fold else ""
    said = ""
    if phase.fold == "script":
        colour = "31;1" if phase.code else "32;1"
        said = f'\x1b[{colour}mThe command "{phase.command}" exited with {phase.code}.\x1b[0m\r\n'
    elif phase.code:
        ended = f"failed and exited with {phase.code} during {phase.fold}"
        said = f'\x1b[31;1mThe command "{phase.command}" {ended}.\x1b[0m\r\n'
    yield Part(end, f"travis_time:end:{mark}:{nanos},event={phase.fold}{CLEAR}{tail}\r\n{said}")


def parts(job: JobMoment, now: float) -> list[Part]:
    """What is written by now."""
    if job.started_at is None:
        return [Part(job.finished_at or now, "", True)] if job.state in ENDED else []
    worker = (
        f"travis_fold:start:worker_info{CLEAR}\x1b[33;1mWorker information\x1b[0m\r\n"
        f"hostname: worker-{job.job.id % 97}\r\n"
        f"travis_fold:end:worker_info{CLEAR}\r\n"
    )
    found = [Part(job.started_at, worker)]
    at, code = job.started_at, 0
    for number, phase in enumerate(job.plan.phases):
        found += _phase(job, number, phase, at)
        at, code = at + phase.seconds, phase.code
        if code:
            break
    end = now if job.finished_at is None else min(now, job.finished_at)
    found = [part for part in found if part.at <= end + ROUNDING_S]
    if job.state in ENDED:
        last = "\r\n\r\nDone: Job Cancelled\r\n" if job.state == "canceled" else (
            f"\r\nDone. Your build exited with {code}.\r\n"
        )
        found.append(Part(end, last, True))
    return found


def log(job: JobMoment, now: float) -> tuple[str, list[dict[str, Any]]]:
    """The whole text, and the log_parts of https://developer.travis-ci.com/resource/log."""
    found = parts(job, now)
    text = "".join(part.content for part in found)
    if found and found[-1].final and now >= found[-1].at + AGGREGATED_S:
        return text, [{"content": text, "final": True, "number": 0}]
    return text, [{"content": p.content, "final": p.final, "number": n} for n, p in enumerate(found)]
