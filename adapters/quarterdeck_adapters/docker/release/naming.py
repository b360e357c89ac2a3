"""The names that a release gives to containers. Pure.

A release puts its new container under `NAME-qd-new-OP` and the one it replaced under `NAME-qd-old-OP`, so that what a
stopped runner left can be read from the names alone. Once it is proven, that one becomes `NAME-qd-kept-OP`: labels
cannot be changed, and so the name says that what OP put there passed its gate.
"""

from __future__ import annotations

import hashlib
import json
import re

LEASE = "qd-lease-"
VALID = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9_.-]+")
"""moby daemon/names: what a container may be called."""
_PLAIN_OP = re.compile(r"[a-zA-Z0-9_.-]{1,64}")
_PLAIN_SERVICE = re.compile(r"[a-zA-Z0-9_-]{1,100}")
_PLAIN_ENV = re.compile(r"[a-zA-Z0-9_]{1,40}")
_ODD = re.compile(r"[^a-zA-Z0-9_]+")


def op_part(op: str) -> str:
    """An operation's id as part of a name; ids with other characters are told apart by a hash."""
    return op if _PLAIN_OP.fullmatch(op) else f"{_slug(op)}.{_hash(op)}"


def new_name(name: str, op: str) -> str:
    """What the new container is called until it takes `name`."""
    return f"{name}-qd-new-{op_part(op)}"


def old_name(name: str, op: str) -> str:
    """What the container that `op` replaced is called from then on."""
    return f"{name}-qd-old-{op_part(op)}"


def kept_name(name: str, op: str) -> str:
    """What the container that `op` replaced is called once `op` is proven."""
    return f"{name}-qd-kept-{op_part(op)}"


def retired_by(name: str, found: str) -> str:
    """The `op_part` of the release that replaced the container called `found`; empty when it is no retained one."""
    for prefix in (f"{name}-qd-old-", f"{name}-qd-kept-"):
        if found.startswith(prefix):
            return found.removeprefix(prefix)
    return ""


def lease_name(service: str, environment: str, target: str) -> str:
    """`qd-lease-SERVICE-ENV.TARGET`: a lease for each target, since each carries how to put that target back.

    No two triples share a name: where service or environment hold a character that could be taken for a separator, or
    that a name may not hold, a hash follows two dots, which no target begins with.
    """
    if _PLAIN_SERVICE.fullmatch(service) and _PLAIN_ENV.fullmatch(environment):
        return f"{LEASE}{service}-{environment}.{target}"
    return f"{LEASE}{_slug(service)}-{_slug(environment)}..{_hash(json.dumps([service, environment, target]))}"


def _slug(text: str) -> str:
    return _ODD.sub("_", text)[:40]


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:16]
