"""Which rows need their operator, by kind. Pure."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence

from quarterdeck_lifecycle.kinds import Alert, Container, Operation, PullRequest, Run, Service, TrainingRun
from quarterdeck_lifecycle.need import Harm, Me, Need
from quarterdeck_lifecycle.records import Record, Status

OWN_RUN_S = 7 * 86_400.0
"""A failed run of the operator on another branch than the default one is theirs to mend so long."""
BROKEN_TRAINING_S = 86_400.0
SETTLING_S = 300.0
LOOPING = 3
"""A container that runs, was restarted at least so often, and has run for less than `SETTLING_S` still restarts."""
_TRUNKS = frozenset({"main", "master", "trunk"})
_MILD = frozenset({"info", "informational", "none", "debug", "notice", "ok"})
_WARNINGS = frozenset({"warning", "warn", "minor", "low", "medium", "ticket"})
_PLACES = ("environment", "env", "stage")


def of_rows(kind: str, rows: Sequence[Record], me: Me, now: float) -> list[Need]:
    """What the rows of one feed need."""
    if kind == "run":
        return _runs([row for row in rows if isinstance(row, Run)], me, now)
    if kind == "operation":
        return _operations([row for row in rows if isinstance(row, Operation)], me)
    judge = _JUDGES.get(kind)
    if judge is None:
        return []
    if kind == "container":
        # Of 10,000 rows nearly all are well: those are passed by without a call.
        well = Status.OK
        rows = [row for row in rows if isinstance(row, Container) and (row.status is not well or row.restarts)]
    return [need for row in rows if (need := judge(row, me, now)) is not None]


def _need(
    row: Record,
    me: Me,
    harm: Harm,
    word: str,
    *,
    since: float | None,
    status: Status = Status.BAD,
    environment: str = "",
    key: str = "",
    text: str = "",
    why: str = "",
    mark: str = "",
    grade: int = 0,
) -> Need:
    """A need of a row; where it serves a place that is known and not guarded, it hurts less."""
    place = environment or row.environment
    guarded = me.guarded(row.ref.source, place)
    if harm is Harm.SERVING and place and not guarded:
        harm = Harm.ELSEWHERE
    return Need(
        ref=row.ref, key=key or str(row.ref), status=status, word=word, text=text or row.name, harm=harm,
        guarded=guarded, grade=grade, since=since, environment=place, why=why or row.note, mark=mark or word,
    )  # fmt: skip


def _alert(row: Record, me: Me) -> Need | None:
    if not isinstance(row, Alert) or row.state != "firing":
        return None
    if row.silenced_by and not row.silenced_by.startswith("unknown"):
        return None
    severity = row.severity.lower()
    harm, status = Harm.SERVING, Status.BAD
    if severity in _WARNINGS or severity in _MILD:
        harm, status = (Harm.WARNING if severity in _WARNINGS else Harm.NOTICE), Status.LOOK
    place = row.environment or next((row.labels[name] for name in _PLACES if row.labels.get(name)), "")
    return _need(
        row, me, harm, "firing", status=status, environment=place, since=row.active_at, mark=f"firing {row.active_at}"
    )


def _container(row: Record, me: Me, now: float) -> Need | None:
    grade = _sickness(row, now) if isinstance(row, Container) else None
    if grade is None or not isinstance(row, Container):
        return None
    word = row.state if row.status is Status.BAD else "restarting"
    if row.restarts and row.state.startswith(("restarting", "exited", "running", "healthy")):
        word = f"{word} x{row.restarts}"
    return _need(row, me, Harm.SERVING, word, since=row.updated_at, grade=grade, mark=f"{grade} {row.image_id}")


def _sickness(box: Container, now: float) -> int | None:
    """How bad: 0 killed for want of memory or not removable, 1 restarting, 2 unhealthy; None: it is not."""
    if box.state.endswith("OOM") or box.state == "dead":
        return 0
    young = box.started_at is not None and now - box.started_at < SETTLING_S
    if box.state.startswith("restarting") or ((box.restarts or 0) >= LOOPING and young and box.health != "unhealthy"):
        return 1
    return 2 if box.health == "unhealthy" else None


def _training(row: Record, me: Me, now: float) -> Need | None:
    if row.status not in (Status.BAD, Status.LOOK) or not isinstance(row, TrainingRun):
        return None
    running = row.finished_at is None
    recent = running or (row.finished_at is not None and now - row.finished_at < BROKEN_TRAINING_S)
    if row.status is Status.BAD and recent and any(map(_not_finite, row.metrics.values())):
        return _need(row, me, Harm.LEARNING, "NaN", since=row.finished_at or row.updated_at)
    if running and row.status is Status.LOOK:
        return _need(row, me, Harm.LEARNING, "stalled", since=row.updated_at, status=Status.LOOK, grade=1)
    return None


def _not_finite(value: float | str) -> bool:
    try:
        return not math.isfinite(float(value))
    except ValueError:
        return False


def _pull(row: Record, me: Me) -> Need | None:
    if not isinstance(row, PullRequest) or row.draft or row.state != "open":
        return None
    if not any(me.is_me(row.ref.source, who) for who in row.asked):
        return None
    return _need(
        row, me, Harm.WAITING, "asks your review", since=row.created_at, status=Status.WAITING, grade=1,
        text=f"PR#{row.number}", mark=row.head,
        why=f"{row.title}, by {row.author}" if row.author else row.title,
    )  # fmt: skip


def _service(row: Record, me: Me) -> Need | None:
    if not isinstance(row, Service) or not row.frozen:
        return None
    return _need(row, me, Harm.NOTICE, "frozen", status=Status.LOOK, since=None, why=row.frozen, mark=row.frozen)


def _repository(row: Record, me: Me) -> Need | None:
    if row.status is not Status.BAD or not row.state.startswith("broken"):
        return None
    return _need(row, me, Harm.BLIND, row.state, since=row.updated_at, grade=2)


_JUDGES: Mapping[str, Callable[[Record, Me, float], Need | None]] = {
    "alert": lambda row, me, _: _alert(row, me), "container": _container, "training_run": _training,
    "repository": lambda row, me, _: _repository(row, me), "pull_request": lambda row, me, _: _pull(row, me),
    "service": lambda row, me, _: _service(row, me),
}  # fmt: skip


def _runs(rows: Sequence[Run], me: Me, now: float) -> list[Need]:
    """Approvals that wait for me, and what failed: of a workflow and branch only the newest run that ended counts."""
    newest: dict[tuple[str, str, str], Run] = {}
    moving: dict[tuple[str, str, str], float] = {}
    found: list[Need] = []
    for run in rows:
        key = run.repository, run.workflow, run.branch
        at = run.created_at or 0.0
        if run.status in (Status.OK, Status.BAD):
            known = newest.get(key)
            if known is None or at > (known.created_at or 0.0):
                newest[key] = run
        elif run.status is Status.WAITING and run.waits_for_me:
            of = f"{run.repository} {run.workflow}".strip()
            found.append(
                _need(run, me, Harm.WAITING, "waits for you", since=run.updated_at, status=Status.WAITING,
                      text=f"run#{run.number}", why=" · ".join(filter(None, (of, run.note))), mark=str(run.attempt))
            )  # fmt: skip
        elif run.status in (Status.RUNNING, Status.QUEUED):
            moving[key] = max(moving.get(key, 0.0), at)
    for key, run in newest.items():
        if run.status is Status.BAD:
            harm = _harm_of(run, me, now)
            if harm is not None:
                again = "runs again now" if moving.get(key, 0.0) > (run.created_at or 0.0) else ""
                found.append(_failed_run(run, me, harm, again))
    return found


def _harm_of(run: Run, me: Me, now: float) -> Harm | None:
    proposed = run.event.startswith("pull_request")
    trunk = run.branch == run.default_branch if run.default_branch else run.branch in _TRUNKS
    if trunk and not proposed:
        return Harm.DELIVERY
    recent = now - (run.finished_at or run.updated_at or 0.0) < OWN_RUN_S
    return Harm.ELSEWHERE if recent and me.is_me(run.ref.source, run.actor) else None


def _failed_run(run: Run, me: Me, harm: Harm, again: str) -> Need:
    where = run.note.split(" / ")[0] or run.workflow
    about = f"{run.repository} {run.workflow} on {run.branch}: {run.note or run.state}"
    return _need(
        run, me, harm, "failed", text=f"run#{run.number} {where}".rstrip(), since=run.finished_at or run.updated_at,
        key=f"{run.ref.source}/run/{run.repository}:{run.workflow}:{run.branch}", mark=f"{run.ref.id} {run.attempt}",
        why=" · ".join(part for part in (about, again) if part),
    )  # fmt: skip


def _operations(rows: Sequence[Operation], me: Me) -> list[Need]:
    """Approvals that wait for me; runners that died; and what is stuck, until a later operation of its service."""
    newest: dict[tuple[str, str], Operation] = {}
    for row in rows:
        key = row.service, row.environment
        if key not in newest or row.op > newest[key].op:
            newest[key] = row
    found = []
    for row in rows:
        text = f"{row.verb} {row.service}"
        if row.waits and row.user != me.user:
            why = f"by {row.actor}: {row.reason}" if row.reason else f"by {row.actor}"
            found.append(
                _need(row, me, Harm.WAITING, "waits for you", status=Status.WAITING, text=text, since=row.began_at,
                      why=why)
            )  # fmt: skip
        elif row.result == "STUCK" and newest[row.service, row.environment] is row:
            found.append(_need(row, me, Harm.STUCK, "stuck", text=text, since=row.ended_at, why=row.note or row.said))
        elif not row.result and not row.waits and not row.alive:
            why = "its runner is gone: attach and recover it"
            found.append(_need(row, me, Harm.STUCK, "no runner", text=text, grade=1, since=row.began_at, why=why))
    return found
