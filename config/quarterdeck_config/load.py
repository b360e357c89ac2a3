"""Reading the project's and the user's config into one `Config`, whatever is wrong with them."""

from __future__ import annotations

import os
import stat
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args, get_origin

import msgspec

from quarterdeck_config.errors import ConfigError, UnsafeFolder, one_of
from quarterdeck_config.paths import display_path, project_config_file, read_bounded, user_config_file
from quarterdeck_config.schema import Config, Environment

if TYPE_CHECKING:
    from quarterdeck_config.check import Checker
    from quarterdeck_config.document import Node

LOCAL = "local"
"""The name by which a target means this machine's own engine, without declaring it."""


class Loaded(msgspec.Struct, frozen=True):
    """What the files say, ready to use.

    ``config`` holds every valid entry and, of an untrusted project file, only what `inert` leaves.
    ``trusted`` is False when such a file is there; ``held_back`` then says what it may not do, a line each,
    and ``notice`` says it all in one line.
    """

    config: Config
    files: tuple[Path, ...] = ()
    trusted: bool = True
    problems: tuple[ConfigError, ...] = ()
    project: Path | None = None
    sha256: str = ""
    """Of the project's file as it was read; what the operator is asked to trust."""
    held_back: tuple[str, ...] = ()
    notice: str = ""

    @property
    def errors(self) -> tuple[ConfigError, ...]:
        """The problems that dropped something."""
        return tuple(problem for problem in self.problems if problem.severity == "error")


def load(
    cwd: Path | None = None,
    *,
    config: Path | None = None,
    env: Mapping[str, str] | None = None,
    known_sources: Collection[str] = (LOCAL,),
) -> Loaded:
    """Read ``quarterdeck.yaml`` (found from ``cwd``, or ``config`` in its place) and the user's config.

    Never raises for what stands in the files or for files that can't be read: that is in ``problems``.
    ``known_sources`` are names that targets may use though no file declares them.
    """
    project = config or project_config_file(cwd)
    user = user_config_file(env)
    found = [path for path in (project, user) if path and (path == config or os.path.lexists(path))]
    if not found:
        return Loaded(Config())
    from quarterdeck_config import combine, trust
    from quarterdeck_config.inert import CONFIRM_UNUSED, NOTIFY_UNUSED, inert

    problems: list[ConfigError] = []
    ours = _read(user, cwd, env, problems) if user in found and _safe(user, cwd, env, problems) else None
    theirs = _read(project, cwd, env, problems) if project else None
    state, sha256 = trust.Trust.TRUSTED, ""
    if project and theirs:
        sha256 = theirs[1]
        try:
            state = trust.trust_state(project, sha256, env)
        except UnsafeFolder as error:
            state = trust.Trust.NEW
            problems.append(ConfigError(str(error), 0, "", "trust that others could forge", "a private folder"))
        except OSError:
            state = trust.Trust.NEW
    trusted = state is trust.Trust.TRUSTED
    base, over = (theirs or (None, ""))[0], (ours or (None, ""))[0]
    held: list[str] = []
    for key, unused in (("confirm", CONFIRM_UNUSED), ("notify", NOTIFY_UNUSED)):
        if base and not trusted and base.mapping.pop(key, None):
            held.append(unused)
    owned = combine.owned_entries(base, over) if base and not trusted else frozenset()
    tree = combine.combine(base, over, trusted=trusted) if base and over else base or over
    made = Config()
    if tree is not None:
        made, more = _build(tree, known_sources)
        problems.extend(more)
    if base and not trusted:
        made, reasons = inert(made, owned)
        held.extend(reasons)
    notice = ""
    if project and held:
        since = "changed since you trusted it" if state is trust.Trust.CHANGED else "is not trusted"
        many = f"{len(held)} {'thing' if len(held) == 1 else 'things'}"
        notice = f"{display_path(project, cwd, env)} {since}: {many} held back; read it, then: quarterdeck trust"
    return Loaded(made, tuple(found), trusted, tuple(problems), project, sha256, tuple(dict.fromkeys(held)), notice)


def _read(
    path: Path, cwd: Path | None, env: Mapping[str, str] | None, problems: list[ConfigError]
) -> tuple[Node, str] | None:
    """One file's tree and the sha256 of the very bytes it was made of."""
    from quarterdeck_config.combine import drop_doubles
    from quarterdeck_config.document import MAX_BYTES, Origin, parse_document
    from quarterdeck_config.trust import digest

    shown = display_path(path, cwd, env)
    try:
        data = read_bounded(path, MAX_BYTES)
    except OSError as error:
        why = (error.strerror or "no reason given").lower()
        problems.append(ConfigError(shown, 0, "", f"a file that cannot be read ({why})", "a readable file"))
        return None
    tree, wrong = parse_document(data, Origin(shown, Path(os.path.abspath(path)).parent))
    problems.extend(wrong)
    if tree is None:
        return None
    if not isinstance(tree.value, dict):
        problems.append(ConfigError(shown, tree.line, "", "no mapping", "keys such as sources"))
        return None
    problems.extend(drop_doubles(tree))
    return tree, digest(data)


def _safe(path: Path, cwd: Path | None, env: Mapping[str, str] | None, problems: list[ConfigError]) -> bool:
    """Whether the user's own file can only have been written by the user (or root, or the user's group)."""
    try:
        found = path.stat()
    except OSError:
        return True
    if found.st_uid in (os.geteuid(), 0) and not found.st_mode & stat.S_IWOTH:
        return True
    shown = display_path(path, cwd, env)
    problems.append(ConfigError(shown, 0, "", "a file that other users may write", "your own (chmod go-w)"))
    return False


def _build(tree: Node, known: Collection[str]) -> tuple[Config, list[ConfigError]]:
    """The valid part of a merged tree, and everything that is wrong with the rest of it."""
    from quarterdeck_config.check import BROKEN, Checker, describe, fields_of, join
    from quarterdeck_config.crosscheck import cross_check

    check = Checker()
    values: dict[str, Any] = {}
    sections = fields_of(Config)
    for key, node in tree.mapping.items():
        if key not in sections:
            check.report(node, join("", key), "an unknown key", one_of(sections, key))
        elif node.value is None:
            continue
        elif get_origin(kind := sections[key].type) is dict:
            if isinstance(node.value, dict):
                values[key] = _entries(check, node, kind, key)
            else:
                check.report(node, key, describe(node.value), "a mapping")
        elif get_origin(kind) is tuple:
            if isinstance(node.value, list):
                item = get_args(kind)[0]
                made = [check.value(n, item, f"{key}[{node.label(i)}]") for i, n in enumerate(node.value)]
                values[key] = tuple(value for value in made if value is not BROKEN)
            else:
                check.report(node, key, describe(node.value), "a list")
        elif (value := check.value(node, kind, key)) is not BROKEN:
            values[key] = value
    config, problems = cross_check(Config(**values), tree, known)
    return config, check.problems + problems


def _entries(check: Checker, node: Node, kind: Any, section: str) -> dict[str, Any]:
    """The valid entries of one section; a broken environment counts as a protected one."""
    from quarterdeck_config.check import BROKEN, join

    made = {key: check.entry(child, key, kind, join(section, key)) for key, child in node.mapping.items()}
    if section == "environments":
        made = {key: Environment(protected=True) if v is BROKEN else v for key, v in made.items()}
    return {key: value for key, value in made.items() if value is not BROKEN}
