"""Secrets by reference, resolved at the moment of use, and never shown.

`redact` and `masking` hold what keeps them out of texts; their names can be had from here, too.
"""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Mapping

from quarterdeck_config.errors import SecretError, plain
from quarterdeck_config.masking import looks_secret, mask_args, mask_mapping
from quarterdeck_config.paths import open_regular
from quarterdeck_config.redact import MASK, REDACTOR, Redactor, redact
from quarterdeck_config.schema import SecretRef

__all__ = [
    "MASK",
    "REDACTOR",
    "Redactor",
    "Secret",
    "SecretError",
    "looks_secret",
    "mask_args",
    "mask_mapping",
    "redact",
    "resolve",
]

MAX_BYTES = 64 * 1024
COMMAND_DEADLINE_S = 10.0


class Secret:
    """A resolved secret, which no repr, format, pickle or log shows; `reveal` is the only way to it."""

    __slots__ = ("_value", "origin")

    def __init__(self, value: str, origin: str = "", *, redactor: Redactor = REDACTOR) -> None:
        redactor.register(value)
        self._value = value
        self.origin = origin
        """Where it came from, such as ``env GITHUB_TOKEN``."""

    def reveal(self) -> str:
        """The secret itself: for the header or the call that needs it, and no variable that lives longer."""
        return self._value

    def __repr__(self) -> str:
        return f"Secret({self.origin})"

    def __format__(self, spec: str) -> str:
        return format(repr(self), spec)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and other._value == self._value

    __hash__ = None  # type: ignore[assignment]

    def __reduce__(self) -> str:
        raise TypeError("a secret is not pickled")


def describe(ref: SecretRef) -> str:
    """``ref`` in words, without the arguments of a command, which may hold what nobody should read."""
    if ref.command is not None:
        return f"command {plain(ref.command[0])}"
    return f"{ref.kind} {plain(getattr(ref, ref.kind))}"


def resolve(
    ref: SecretRef,
    *,
    env: Mapping[str, str] | None = None,
    redactor: Redactor = REDACTOR,
    deadline_s: float = COMMAND_DEADLINE_S,
) -> Secret:
    """The secret that ``ref`` names, registered with ``redactor``.

    Blocks (a file, a keyring, or a command for at most ``deadline_s`` seconds): call it off the event loop.
    Raises SecretError, which says what to do and never holds the value.
    """
    if ref.env is not None:
        value = (os.environ if env is None else env).get(ref.env, "")
        if not value.strip():
            raise SecretError(f"the variable {plain(ref.env)} is not set; set it, or name another reference")
    elif ref.file is not None:
        value = _from_file(ref.file)
    elif ref.command is not None:
        value = _from_command(ref.command, deadline_s, env)
    else:
        value = _from_keyring(ref.keyring or "")
    return Secret(value.strip(), describe(ref), redactor=redactor)


def _from_file(path: str) -> str:
    shown = plain(path, 200)
    try:
        file = open_regular(path)
    except OSError as error:
        raise SecretError(f"the secret file {shown} cannot be read: {error.strerror}") from None
    with file:
        found = os.fstat(file.fileno())
        if found.st_uid not in (os.geteuid(), 0):
            raise SecretError(f"the secret file {shown} belongs to another user; it is not used")
        if found.st_mode & 0o077:
            mode = stat.S_IMODE(found.st_mode)
            raise SecretError(f"the secret file {shown} is open to others ({mode:04o}); run: chmod 600 {shown}")
        data = file.read(MAX_BYTES + 1)
    return _text(data, f"the secret file {shown}")


def _text(data: bytes, what: str) -> str:
    if len(data) > MAX_BYTES:
        raise SecretError(f"{what} gives more than {MAX_BYTES // 1024} KiB; that is no secret")
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError:
        raise SecretError(f"{what} gives no UTF-8 text") from None
    if not text.strip():
        raise SecretError(f"{what} gives nothing")
    return text


def _from_command(argv: tuple[str, ...], deadline_s: float, env: Mapping[str, str] | None) -> str:
    """The first line that ``argv`` prints; run without a terminal, so that it can't prompt."""
    import signal
    import subprocess

    shown = plain(argv[0], 200)
    try:
        process = subprocess.Popen(
            list(argv),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
            env=None if env is None else dict(env),
        )
    except OSError as error:
        raise SecretError(f"the secret command {shown} cannot be started: {error.strerror}") from None
    with process:
        try:
            output, _ = process.communicate(timeout=deadline_s)
        except BaseException as error:
            # Its children share its session and may hold the pipe open after it has ended.
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            if not isinstance(error, subprocess.TimeoutExpired):
                raise
            why = f"gave no answer in {deadline_s:g} s; it must not prompt"
            raise SecretError(f"the secret command {shown} {why}") from None
    if process.returncode:
        raise SecretError(f"the secret command {shown} failed with exit code {process.returncode}; run it by hand")
    return _text(output.lstrip().partition(b"\n")[0], f"the secret command {shown}")


def _from_keyring(name: str) -> str:
    """``SERVICE/USER`` from the keyring; ``SERVICE`` alone: the entry whose user is this one, else any."""
    try:
        import keyring
        from keyring.errors import KeyringError
    except ImportError:
        raise SecretError("the keyring needs an optional part; run: pip install 'quarterdeck[keyring]'") from None
    service, _, user = name.partition("/")
    try:
        if user:
            value = keyring.get_password(service, user)
        else:
            entry = keyring.get_credential(service, None)
            value = entry.password if entry else None
    except (KeyringError, OSError, RuntimeError) as error:
        raise SecretError(
            f"the keyring does not answer ({type(error).__name__}); unlock it, or use env, file or command"
        ) from None
    if not value:
        shown = plain(name)
        raise SecretError(
            f"the keyring has no entry {shown}; run: keyring set {plain(service)} {plain(user) or 'USER'}"
        )
    return value
