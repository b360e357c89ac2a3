"""What a repository's own config must not decide: whatever makes git run a program. Pure.

A repository may come from anywhere (an archive, a shared folder), and its `.git/config` and hooks with it. What the
operator's own config (system, global) says is kept; what the repository says is overridden by the operator's value, or
by one that runs nothing. Keys: https://git-scm.com/docs/git-config, gitattributes(5), githooks(5).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence

import msgspec

_OWN_SCOPES = frozenset({"local", "worktree"})
_RUNS_PROGRAMS = {
    "core.sshcommand": "ssh -o BatchMode=yes",
    "core.askpass": "",
    "core.editor": "false",
    "core.alternaterefscommand": "true",
    "sequence.editor": "false",
    "gpg.program": "false",
    "gpg.openpgp.program": "false",
    "gpg.x509.program": "false",
    "gpg.ssh.program": "false",
    "gpg.ssh.defaultkeycommand": "",
    "interactive.difffilter": "",
    "push.pushoption": "",
    "log.showsignature": "false",
    "merge.verifysignatures": "false",
    "push.gpgsign": "false",
    "tag.gpgsign": "false",
}
_FAMILIES = tuple(
    (re.compile(pattern, re.DOTALL), neutral)
    for pattern, neutral in (
        (r"filter\..*\.(clean|smudge|process)", ""),
        (r"filter\..*\.required", "false"),
        (r"diff\..*\.(command|textconv)", ""),
        (r"merge\..*\.driver", "false"),
        (r"remote\..*\.vcs", ""),
        (r"submodule\..*\.update", "none"),
        (r"trailer\..*\.(command|cmd)", ""),
        (r"pager\..*", "false"),
    )
)
_HELPER = re.compile(r"credential\.(.*\.)?helper", re.DOTALL)

ALWAYS = (
    ("core.fsmonitor", "false"),
    ("core.hooksPath", "/dev/null"),
    ("diff.external", ""),
    ("diff.autoRefreshIndex", "false"),
    ("core.pager", "cat"),
    ("protocol.ext.allow", "never"),
    ("fetch.recurseSubmodules", "false"),
    ("submodule.recurse", "false"),
    ("gc.auto", "0"),
    ("maintenance.auto", "false"),
    ("advice.diverging", "false"),
)
"""Said with every command, whatever the repository's config holds."""

REMOTE_FOLDER = " ".join(
    (
        "git",
        "-c core.hooksPath=/dev/null",
        "-c core.fsmonitor=false",
        "-c core.alternateRefsCommand=true",
        "-c receive.autogc=false",
        "-c gc.auto=0",
    )
)
"""How the other end of a remote that is a folder of this machine is run: its config is the repository's too."""


class Setting(msgspec.Struct, frozen=True):
    """One value of the config, with where it was said: system, global, local, worktree or command."""

    scope: str
    key: str
    value: str


def parse_settings(listing: bytes) -> tuple[Setting, ...]:
    """The answer of `git config --list --show-scope -z`, in git's order (the last value of a key counts)."""
    parts = listing.split(b"\0")
    found = []
    for scope, entry in zip(parts[::2], parts[1::2], strict=False):
        key, given, value = entry.partition(b"\n")
        text = value.decode("utf-8", "surrogateescape") if given else "true"
        found.append(Setting(scope.decode("ascii", "replace"), key.decode("utf-8", "surrogateescape"), text))
    return tuple(found)


def overrides(settings: Sequence[Setting]) -> list[tuple[str, str]]:
    """Key and value pairs that take the repository's own say away wherever it would run a program."""
    found = list(ALWAYS)
    own = list(dict.fromkeys(setting.key for setting in settings if setting.scope in _OWN_SCOPES))
    for key in own:
        neutral = _neutral(key)
        if neutral is not None:
            found.append((key, value_of(settings, key, trusted_only=True) or neutral))
    if any(_HELPER.fullmatch(key) for key in own):
        found.append(("credential.helper", ""))
        found += [(s.key, s.value) for s in settings if s.scope not in _OWN_SCOPES and _HELPER.fullmatch(s.key)]
    return found


def _neutral(key: str) -> str | None:
    lower = key.lower()
    if lower in _RUNS_PROGRAMS:
        return _RUNS_PROGRAMS[lower]
    return next((neutral for pattern, neutral in _FAMILIES if pattern.fullmatch(lower)), None)


def as_environment(pairs: Iterable[tuple[str, str]]) -> dict[str, str]:
    """The pairs as git reads them from its environment, where no key is too odd for a command line."""
    env = {}
    count = 0
    for count, (key, value) in enumerate(pairs, 1):
        env[f"GIT_CONFIG_KEY_{count - 1}"] = key
        env[f"GIT_CONFIG_VALUE_{count - 1}"] = value
    return {"GIT_CONFIG_COUNT": str(count), **env}


def own_values(settings: Iterable[Setting], pattern: str) -> list[Setting]:
    """What the repository itself says under the keys that match (names in lower case, subsections as written)."""
    return [s for s in settings if s.scope in _OWN_SCOPES and re.fullmatch(pattern, s.key, re.DOTALL)]


def value_of(settings: Sequence[Setting], key: str, *, trusted_only: bool = False) -> str:
    """The value that counts for `key` (section and name in lower case), or an empty string."""
    return next(
        (s.value for s in reversed(settings) if s.key == key and not (trusted_only and s.scope in _OWN_SCOPES)), ""
    )


def has_includes(settings: Iterable[Setting]) -> bool:
    """Whether the repository's config reads other files, so that its own file's time says nothing."""
    return bool(own_values(settings, r"include(if)?\..*"))


_REPLACED = frozenset(
    {
        "GIT_DIR", "GIT_WORK_TREE", "GIT_COMMON_DIR", "GIT_INDEX_FILE", "GIT_OBJECT_DIRECTORY", "GIT_PREFIX",
        "GIT_ALTERNATE_OBJECT_DIRECTORIES", "GIT_CONFIG", "GIT_CONFIG_PARAMETERS", "GIT_CONFIG_COUNT", "GIT_NAMESPACE",
        "GIT_IMPLICIT_WORK_TREE", "GIT_GRAFT_FILE", "GIT_SHALLOW_FILE", "GIT_NO_REPLACE_OBJECTS",
        "GIT_REPLACE_REF_BASE", "GIT_INTERNAL_SUPER_PREFIX", "GIT_EXTERNAL_DIFF", "GIT_DIFF_OPTS", "GIT_EDITOR",
        "GIT_SEQUENCE_EDITOR", "LESS", "LANGUAGE",
    }
)  # fmt: skip


def environment(given: Mapping[str, str], folder_above: str, settings: Sequence[Setting] = ()) -> dict[str, str]:
    """The environment of every git program started here: no prompt, no lock for a read, no way out of the folder.

    `folder_above` bounds the search for a repository. `core.gitProxy` cannot be overridden (its first value counts),
    so a repository that names one is not proxied at all.
    """
    env = {
        key: value
        for key, value in given.items()
        if key not in _REPLACED and not key.startswith(("GIT_TRACE", "GIT_CONFIG_KEY_", "GIT_CONFIG_VALUE_"))
    }
    env |= {
        "GIT_TERMINAL_PROMPT": "0", "GIT_OPTIONAL_LOCKS": "0", "GIT_ASKPASS": "false", "SSH_ASKPASS": "false",
        "SSH_ASKPASS_REQUIRE": "never", "GCM_INTERACTIVE": "never", "GIT_PAGER": "cat", "LC_ALL": "C.UTF-8",
        "GIT_ALLOW_PROTOCOL": "file:git:http:https:ssh", "GIT_CEILING_DIRECTORIES": folder_above,
        "GIT_NO_LAZY_FETCH": "1", "GIT_LITERAL_PATHSPECS": "1",
    }  # fmt: skip
    if own_values(settings, r"core\.gitproxy"):
        env["GIT_PROXY_COMMAND"] = ""
    own_ssh = value_of(settings, "core.sshcommand", trusted_only=True)
    if not own_ssh and "GIT_SSH_COMMAND" not in env and "GIT_SSH" not in env:
        env["GIT_SSH_COMMAND"] = "ssh -o BatchMode=yes -o ConnectTimeout=10"
    return env | as_environment(overrides(settings))
