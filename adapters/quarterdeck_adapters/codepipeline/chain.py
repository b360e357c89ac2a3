"""AWS's own chain of credentials, kept off the operator's terminal: nothing of it may ask there.

A profile may ask for an MFA code (getpass opens the terminal) or run a program of its own (credential_process).
https://docs.aws.amazon.com/sdkref/latest/guide/standardized-credentials.html
"""

from __future__ import annotations

import os
import signal
import subprocess
from contextlib import suppress
from typing import Any

from quarterdeck_lifecycle.errors import AuthFailed

HELPER_S = 10.0
BEFOREHAND = "sign in beforehand (aws sso login, or a session token in the environment), or name another profile"


class Helper(subprocess.Popen[bytes]):
    """A program that prints a credential: without our input, without our terminal, and not for ever."""

    def __init__(self, argv: list[str], **options: Any) -> None:
        super().__init__(argv, **options, stdin=subprocess.DEVNULL, start_new_session=True)

    def communicate(self, input: bytes | None = None, timeout: float | None = HELPER_S) -> tuple[bytes, bytes]:
        """What it printed. Raises AuthFailed when it is not done in time; its whole group is ended then."""
        try:
            return super().communicate(input, timeout)
        except subprocess.TimeoutExpired as error:
            with suppress(ProcessLookupError):
                os.killpg(self.pid, signal.SIGKILL)
            super().communicate()
            why = f"no answer within {timeout:g} s"
            raise AuthFailed("the credential_process of its profile did not end", why=why, mend=BEFOREHAND) from error


def quiet(core: Any, source: str) -> None:
    """Let no provider of a botocore session ask: what needs an answer fails, with the way to give it beforehand."""

    def refuse(prompt: str) -> str:
        raise AuthFailed("its profile wants an MFA code", source=source, why=prompt.strip(" :"), mend=BEFOREHAND)

    chain = core.get_component("credential_provider")
    roles = chain.get_provider("assume-role")
    roles._prompter = refuse
    chain.get_provider("custom-process")._popen = Helper
    builder = roles._profile_provider_builder
    making = builder._create_process_provider

    def made(profile_name: str) -> Any:
        """The helper of a profile that a role is assumed from."""
        provider = making(profile_name)
        provider._popen = Helper
        return provider

    builder._create_process_provider = made
