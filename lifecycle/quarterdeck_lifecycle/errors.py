"""What can go wrong with an outside system, in the words of the person who has to mend it."""

from __future__ import annotations

from quarterdeck_lifecycle.text import clean


class QuarterdeckError(Exception):
    """A failure with its place, its reason and its remedy.

    `what` failed, on `source`, because of `why`; `mend` says what the operator can do. All four pass the text
    gate here, since `why` often repeats what a system sent.
    """

    word = "error"

    def __init__(self, what: str, *, source: str = "", why: str = "", mend: str = "") -> None:
        self.what = clean(what, 500)
        self.source = clean(source, 200)
        self.why = clean(why, 2000)
        self.mend = clean(mend, 500)
        super().__init__(str(self))

    def __str__(self) -> str:
        text = f"{self.source}: {self.what}" if self.source else self.what
        if self.why:
            text += f": {self.why}"
        return f"{text} ({self.mend})" if self.mend else text

    @property
    def short(self) -> str:
        """One line for a pane's title: the word and the reason."""
        reason = (self.why or self.what).splitlines()
        return f"{self.word}: {reason[0] if reason else ''}"


class Unavailable(QuarterdeckError):
    """The system does not answer, or not in its own language."""

    word = "down"


class Timeout(Unavailable):
    """No answer within the deadline."""

    word = "timeout"


class RateLimited(QuarterdeckError):
    """The system asks for a pause of `retry_after` seconds (None when it does not say)."""

    word = "429"

    def __init__(
        self, what: str, *, retry_after: float | None = None, source: str = "", why: str = "", mend: str = ""
    ) -> None:
        self.retry_after = retry_after
        pause = f" in {retry_after:.0f} s" if retry_after else ""
        super().__init__(what, source=source, why=why, mend=mend or f"too many requests: asked again{pause} by itself")


class AuthFailed(QuarterdeckError):
    """The credential is missing, wrong or expired. Not retried until the operator mends it."""

    word = "401"


class Forbidden(QuarterdeckError):
    """The credential is known and lacks `scope`."""

    word = "403"

    def __init__(self, what: str, *, scope: str = "", source: str = "", why: str = "", mend: str = "") -> None:
        self.scope = scope
        super().__init__(what, source=source, why=why, mend=mend)


class NotFound(QuarterdeckError):
    """The thing is gone or was never there."""

    word = "404"


class Conflict(QuarterdeckError):
    """The system moved since the operator looked, or refuses the change in its present state."""

    word = "conflict"


class Unsupported(QuarterdeckError):
    """The system cannot do this; the reason is shown where the key is greyed."""

    word = "unsupported"


class ToolMissing(QuarterdeckError):
    """A program or an optional package is missing; `mend` names what brings it."""

    word = "missing"


class Malformed(Unavailable):
    """The answer could not be read: truncated, of another type, or not of this system at all."""

    word = "bad answer"


class Refused(QuarterdeckError):
    """Our own policy says no: read-only, freeze, lost race, missing confirmation. Nothing was sent."""

    word = "refused"
