"""The kubeconfig that is found here, read as data: which contexts it has. No exec plugin of it is ever run.

https://kubernetes.io/docs/concepts/configuration/organize-cluster-access-kubeconfig/ : $KUBECONFIG is a list of files
merged in order, where the first to set a value wins; without it, ~/.kube/config.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

import msgspec

from quarterdeck_config.document import MAX_BYTES, Node, Origin, parse_document
from quarterdeck_config.paths import display_path, home_dir, read_bounded

SIGN_IN = {
    "exec": "exec plugin", "auth-provider": "auth provider", "token": "token", "tokenFile": "token",
    "client-certificate": "certificate", "client-certificate-data": "certificate", "username": "password",
}  # fmt: skip
MOST = 200
"""Contexts that are listed."""


class KubeContext(msgspec.Struct, frozen=True, kw_only=True):
    """One context. `server` is the cluster's address; `sign_in` the kind of its user's credential, never its value."""

    name: str
    cluster: str = ""
    namespace: str = ""
    server: str = ""
    user: str = ""
    sign_in: str = ""
    current: bool = False
    file: str = ""


class Kube(msgspec.Struct, frozen=True, kw_only=True):
    """What was found: the files, their contexts (the current one first), and what could not be read."""

    files: tuple[str, ...] = ()
    contexts: tuple[KubeContext, ...] = ()
    problems: tuple[str, ...] = ()


def kubeconfig_files(env: Mapping[str, str] | None = None) -> list[Path]:
    """The files that kubectl would read and that exist, in its order."""
    named = (os.environ if env is None else env).get("KUBECONFIG", "")
    paths = [Path(part) for part in named.split(os.pathsep) if part] or [home_dir(env) / ".kube" / "config"]
    return [path for path in paths if path.is_file()]


def read_kube(env: Mapping[str, str] | None = None) -> Kube:
    """Read them. Blocks on the disk; raises nothing."""
    files, problems = [], []
    clusters: dict[str, Node] = {}
    users: dict[str, Node] = {}
    contexts: dict[str, tuple[Node, str]] = {}
    current = ""
    for path in kubeconfig_files(env):
        shown = display_path(path, env=env)
        files.append(shown)
        try:
            data = read_bounded(path, MAX_BYTES)
        except OSError as error:
            problems.append(f"{shown}: {error.strerror or error}")
            continue
        root, wrong = parse_document(data, Origin(shown, path.parent))
        problems += [str(problem) for problem in wrong]
        if root is None:
            continue
        current = current or _text(root, "current-context")
        for name, node in _named(root, "clusters", "cluster"):
            clusters.setdefault(name, node)
        for name, node in _named(root, "users", "user"):
            users.setdefault(name, node)
        for name, node in _named(root, "contexts", "context"):
            contexts.setdefault(name, (node, shown))
    found = []
    for name, (node, file) in list(contexts.items())[:MOST]:
        cluster, user = _text(node, "cluster"), _text(node, "user")
        found.append(
            KubeContext(
                name=name, cluster=cluster, namespace=_text(node, "namespace"), user=user, current=name == current,
                server=_text(clusters[cluster], "server") if cluster in clusters else "", file=file,
                sign_in=_sign_in(users[user]) if user in users else "",
            )
        )  # fmt: skip
    found.sort(key=lambda context: not context.current)
    return Kube(files=tuple(files), contexts=tuple(found), problems=tuple(problems))


def _named(root: Node, section: str, key: str) -> list[tuple[str, Node]]:
    items = root.mapping[section].items if section in root.mapping else []
    return [(name, item.mapping[key]) for item in items if (name := _text(item, "name")) and key in item.mapping]


def _text(node: Node, key: str) -> str:
    value = node.mapping[key].value if key in node.mapping else ""
    return str(value) if isinstance(value, str | int | float) and not isinstance(value, bool) else ""


def _sign_in(user: Node) -> str:
    return next((word for key, word in SIGN_IN.items() if key in user.mapping), "none")
