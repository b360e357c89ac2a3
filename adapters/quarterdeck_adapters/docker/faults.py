"""What goes wrong with an engine, as our own errors: nothing of docker-py, requests or urllib3 crosses the port."""

from __future__ import annotations

import errno
from collections.abc import Iterator

from quarterdeck_lifecycle.errors import (
    AuthFailed,
    Conflict,
    Forbidden,
    Malformed,
    NotFound,
    QuarterdeckError,
    Timeout,
    Unavailable,
    Unsupported,
)

SOCKET_HELP = "join the group docker (sudo usermod -aG docker $USER), then log in again"


def chain(error: BaseException) -> Iterator[BaseException]:
    """The error and what it was raised from, with what urllib3 and requests keep in their arguments."""
    todo, seen = [error], set()
    while todo:
        found = todo.pop(0)
        if id(found) in seen:
            continue
        seen.add(id(found))
        yield found
        context = None if found.__suppress_context__ else found.__context__
        nested = [found.__cause__, context, getattr(found, "reason", None), *found.args]
        todo.extend(each for each in nested if isinstance(each, BaseException))


def translate(error: BaseException, *, source: str, what: str, address: str) -> QuarterdeckError:
    """The typed error for anything that a call through docker-py raised."""
    import docker.errors
    import requests.exceptions
    import urllib3.exceptions

    causes = list(chain(error))
    for cause in causes:
        if isinstance(cause, QuarterdeckError):
            return cause
    for cause in causes:
        if isinstance(cause, docker.errors.APIError):
            return _answered(cause, source=source, what=what)
        if isinstance(cause, docker.errors.TLSParameterError):
            return Unavailable(what, source=source, why=str(cause), mend="check the certificate files of this source")
    timeouts = (requests.exceptions.Timeout, urllib3.exceptions.TimeoutError, TimeoutError)
    if any(isinstance(cause, timeouts) for cause in causes):
        why = f"no answer from {address} in time"
        return Timeout(what, source=source, why=why, mend="check that the engine is up and reachable")
    for cause in causes:
        if isinstance(cause, OSError) and cause.errno is not None:
            return _refused(cause, source=source, what=what, address=address)
    if any(isinstance(cause, urllib3.exceptions.ProtocolError) for cause in causes):
        why = f"{address} ended its answer in the middle: {_innermost(causes)}"
        return Unavailable(what, source=source, why=why, mend="see whether the engine is restarting")
    if any(isinstance(cause, ValueError) for cause in causes):
        return Malformed(
            what, source=source, why=f"{address} did not answer as a Docker engine: {error}",
            mend="check the address; another program may listen there",
        )  # fmt: skip
    if isinstance(error, AttributeError | TypeError | KeyError | IndexError):
        return Malformed(what, source=source, why=f"{address} sent an answer of another shape: {error!r}")
    return Unavailable(what, source=source, why=f"{address}: {_innermost(causes)}", mend="check that the engine is up")


def _innermost(causes: list[BaseException]) -> str:
    texts = [str(cause) for cause in causes if str(cause)]
    return min(texts, key=len) if texts else type(causes[0]).__name__


def _refused(error: OSError, *, source: str, what: str, address: str) -> QuarterdeckError:
    if isinstance(error, PermissionError):
        return AuthFailed(what, source=source, why=f"no permission on {address}", mend=SOCKET_HELP)
    if isinstance(error, FileNotFoundError):
        why, mend = f"there is no {address}", "start the engine (sudo systemctl start docker) or check the address"
    elif isinstance(error, ConnectionRefusedError):
        why, mend = f"nothing listens on {address}", "start the engine (sudo systemctl start docker)"
    elif error.errno in (errno.ECONNRESET, errno.EPIPE, errno.ECONNABORTED):
        why, mend = f"{address} closed the connection", "see whether the engine is restarting"
    else:
        why, mend = f"{address}: {error.strerror or error}", "check the address and the network"
    return Unavailable(what, source=source, why=why, mend=mend)


def _answered(error: object, *, source: str, what: str) -> QuarterdeckError:
    response = getattr(error, "response", None)
    status = int(getattr(error, "status_code", None) or 0)
    said = getattr(error, "explanation", None)
    why = (said.decode("utf-8", "replace") if isinstance(said, bytes) else str(said or "")).strip() or str(status)
    method = getattr(getattr(response, "request", None), "method", "GET")
    if status == 401:
        return AuthFailed(what, source=source, why=why, mend="log in again (docker login) or check the certificate")
    if status == 403:
        return Forbidden(what, source=source, why=why, mend="an authorisation plugin or a proxy forbids it")
    if status in (404, 410):
        return NotFound(what, source=source, why=why)
    if status == 501:
        return Unsupported(what, source=source, why=why)
    if status in (400, 405, 406, 409, 412, 422) or (method not in ("GET", "HEAD") and status >= 500):
        return Conflict(what, source=source, why=why)
    return Unavailable(what, source=source, why=f"{status} {why}", mend="see the engine's own log")
