"""The hops of a thread, their order, and between which of them a fact may tie.

The places stand on a line, from the commit to the commit that a model was trained from, with the signals beside the
workloads. A thread only ever goes away from where it began, so that what shares a commit, a model or a name with
something on the way is not pulled in, and so that a thread read from its other end is the same.
"""

from __future__ import annotations

from enum import IntEnum, StrEnum


class Place(IntEnum):
    """Where a thing can stand on the line. `SIGNAL` hangs beside the three kinds of workload."""

    COMMIT = 0
    CHANGE = 1
    RUN = 2
    TAG = 3
    IMAGE = 4
    RELEASE = 5
    CONTAINER = 6
    SERVICE = 7
    ENDPOINT = 8
    VERSION = 9
    TRAINING = 10
    TRAINING_PIPELINE = 11
    TRAINING_CHANGE = 12
    TRAINING_COMMIT = 13
    SIGNAL = 14


class Hop(StrEnum):
    """What a thread shows, in this order."""

    COMMIT = "commit"
    CHANGE = "change_request"
    RUN = "run"
    IMAGE = "image"
    RELEASE = "release"
    WORKLOAD = "workload"
    VERSION = "model_version"
    TRAINING = "training_run"
    TRAINING_PIPELINE = "training_pipeline"
    TRAINING_CHANGE = "training_change_request"
    TRAINING_COMMIT = "training_commit"
    SIGNAL = "signal"


HOP_OF = {
    Place.COMMIT: Hop.COMMIT, Place.CHANGE: Hop.CHANGE, Place.RUN: Hop.RUN, Place.TAG: Hop.IMAGE,
    Place.IMAGE: Hop.IMAGE, Place.RELEASE: Hop.RELEASE, Place.CONTAINER: Hop.WORKLOAD, Place.SERVICE: Hop.WORKLOAD,
    Place.ENDPOINT: Hop.WORKLOAD, Place.VERSION: Hop.VERSION, Place.TRAINING: Hop.TRAINING,
    Place.TRAINING_PIPELINE: Hop.TRAINING_PIPELINE, Place.TRAINING_CHANGE: Hop.TRAINING_CHANGE,
    Place.TRAINING_COMMIT: Hop.TRAINING_COMMIT, Place.SIGNAL: Hop.SIGNAL,
}  # fmt: skip

PLACES: dict[str, tuple[Place, ...]] = {
    "commit": (Place.COMMIT, Place.TRAINING_COMMIT),
    "short": (Place.COMMIT, Place.TRAINING_COMMIT),
    "pull_request": (Place.CHANGE, Place.TRAINING_CHANGE),
    "run": (Place.RUN, Place.TRAINING_PIPELINE),
    "tag": (Place.TAG,),
    "image": (Place.IMAGE,),
    "digest": (Place.IMAGE,),
    "deployment": (Place.RELEASE,),
    "operation": (Place.RELEASE,),
    "container": (Place.CONTAINER,),
    "service": (Place.SERVICE,),
    "endpoint": (Place.ENDPOINT,),
    "version": (Place.VERSION,),
    "training_run": (Place.TRAINING,),
    "series": (Place.SIGNAL,),
    "alert": (Place.SIGNAL,),
    "rule": (Place.SIGNAL,),
}
"""The places of each kind of record, and of what is known by its name alone."""

WORKLOADS = (Place.CONTAINER, Place.SERVICE, Place.ENDPOINT)
ENDS = 2
BUILDING = (Place.COMMIT, Place.CHANGE, Place.RUN)
TRAINING = (Place.TRAINING_COMMIT, Place.TRAINING_CHANGE, Place.TRAINING_PIPELINE)
FACES = ("commit", "repository")
"""Kinds of rows that tell of a commit; the commit itself is one thing, however many of them there are."""


def onward(way: int, at: Place, to: Place) -> int | None:
    """The way on from `at` when a thread steps to `to`, None where it may not.

    `way` is -1 towards the commit, 1 away from it, 0 where both are still open: at the beginning, at a workload that
    was reached from one of its signals, and at a container that was reached from its service. A signal that was reached
    is an end, and so is the service of a container that was reached from its model: what else it has serves another.
    """
    if to is Place.SIGNAL:
        return ENDS if at in WORKLOADS else None
    if at is Place.SIGNAL:
        return 0 if way == 0 and to in WORKLOADS else None
    if (at, to) == (Place.SERVICE, Place.CONTAINER) and way == 0:
        return 0
    if (at, to) == (Place.CONTAINER, Place.SERVICE) and way == -1:
        return ENDS
    step = 1 if to > at else -1
    return step if to != at and way in (0, step) else None
