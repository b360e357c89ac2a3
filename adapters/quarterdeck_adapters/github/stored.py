"""The password that git's credential helpers keep for a host, printed: a command for `token: {command: ...}`.

Run as `python -m quarterdeck_adapters.github.stored HOST`. Nothing prompts, and only helpers of the user's own config
are asked: git runs outside every repository. https://git-scm.com/docs/git-credential
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping

DEADLINE_S = 8.0


def environment(env: Mapping[str, str]) -> dict[str, str]:
    """An environment in which git asks nobody and takes no repository's config."""
    kept = {name: value for name, value in env.items() if not name.startswith(("GIT_DIR", "GIT_CONFIG_", "GIT_TRACE"))}
    return kept | {
        "GIT_TERMINAL_PROMPT": "0", "GIT_ASKPASS": "false", "SSH_ASKPASS": "false", "GCM_INTERACTIVE": "never",
        "GIT_CEILING_DIRECTORIES": os.sep, "LC_ALL": "C.UTF-8",
    }  # fmt: skip


def question(host: str) -> bytes:
    """What git-credential reads."""
    return f"protocol=https\nhost={host}\n\n".encode()


def password_in(answer: bytes) -> str:
    """The password of an answer, or an empty string."""
    for line in answer.decode("utf-8", "replace").splitlines():
        name, _, value = line.partition("=")
        if name == "password":
            return value
    return ""


def main() -> int:
    """Print it. Ends with 1 when there is none."""
    if len(sys.argv) != 2 or not sys.argv[1] or not sys.argv[1].isprintable():
        return 2
    try:
        ended = subprocess.run(
            ["git", "credential", "fill"], input=question(sys.argv[1]), capture_output=True, timeout=DEADLINE_S,
            env=environment(os.environ), cwd=os.sep, check=False,
        )  # fmt: skip
    except (OSError, subprocess.TimeoutExpired):
        return 1
    found = password_in(ended.stdout) if ended.returncode == 0 else ""
    if found:
        print(found)
    return 0 if found else 1


if __name__ == "__main__":
    sys.exit(main())
