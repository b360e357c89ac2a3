"""What the deck shows, as data: saved under names, and as it was left in each project. Pure but for `ViewBook`.

The book is a file of the program's own in the state folder, never the operator's config: one for each user of a
shared folder, 0600, replaced in one step, changed under a lock. A book that others could have written is not read.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec
from msgspec.structs import replace

from quarterdeck_config.errors import UnsafeFolder
from quarterdeck_config.paths import ensure_private_dir, read_bounded, require_own, write_private
from quarterdeck_lifecycle.errors import QuarterdeckError, Refused
from quarterdeck_lifecycle.text import clean

VERSION = 1
MAX_BYTES = 1 << 20
MOST_VIEWS, MOST_PROJECTS = 100, 200
MOST_NAME, MOST_FILTER, MOST_ENTRIES = 40, 500, 64
HOUR_S = 3600.0
WORDS = ("save", "delete", "reset")
"""What stands behind `:view` and so names no view."""


class DeckView(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a deck shows; as it stands here, the plain one. `window` is the charts' time window in seconds."""

    environments: tuple[str, ...] = ()
    """Those that are shown; none: all."""
    pane: str = "containers"
    zoomed: bool = False
    tabs: dict[str, str] = {}
    """Pane -> kind of the tab on top, where it is not the first."""
    filters: dict[str, str] = {}
    """Kind -> expression."""
    orders: dict[str, str] = {}
    """Kind -> order; a leading `-` reverses it."""
    hidden: dict[str, tuple[str, ...]] = {}
    """Kind -> keys of the columns that are not shown."""
    window: float = HOUR_S


PLAIN = DeckView()


class Left(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """How the deck was left in a project, when (epoch seconds), and under which name if it had one."""

    view: DeckView
    at: float
    name: str = ""


class Book(msgspec.Struct, frozen=True, kw_only=True):
    """All views of one user."""

    version: int = VERSION
    views: dict[str, DeckView] = {}
    left: dict[str, Left] = {}
    """Path of the project -> how it was left there."""

    def saved(self, name: str, view: DeckView) -> Book:
        """With this view under this name. Raises Refused where there is no room for another."""
        if name not in self.views and len(self.views) >= MOST_VIEWS:
            raise Refused("the view is not saved", why=f"{MOST_VIEWS} are kept", mend="`:view delete NAME` makes room")
        return replace(self, views={**self.views, name: bounded(view)})

    def deleted(self, name: str) -> Book:
        """Without the view of this name."""
        return replace(self, views={key: view for key, view in self.views.items() if key != name})

    def left_at(self, project: str, left: Left) -> Book:
        """With how the deck was left in a project; a plain deck leaves nothing, and the oldest projects go."""
        kept = {path: one for path, one in self.left.items() if path != project}
        if left.view != PLAIN or left.name:
            kept[project] = replace(left, view=bounded(left.view))
        newest = sorted(kept, key=lambda path: -kept[path].at)[:MOST_PROJECTS]
        return replace(self, left={path: kept[path] for path in newest})


def problem(name: str) -> str:
    """Why a view cannot have this name; empty when it can."""
    if not name:
        return "say its name: :view save NAME"
    if name in WORDS:
        return f"`{name}` is a word of :view"
    if len(name) > MOST_NAME:
        return f"a name has at most {MOST_NAME} characters"
    if not name.isprintable() or clean(name) != name or name != name.strip() or name.startswith("-"):
        return "a name is one line of printable characters, without a leading '-'"
    return ""


def bounded(view: DeckView) -> DeckView:
    """The view within the bounds that a book keeps: nothing in it is longer than a hand would make it."""

    def few(given: dict[str, str]) -> dict[str, str]:
        return {key[:MOST_NAME]: value[:MOST_FILTER] for key, value in list(given.items())[:MOST_ENTRIES]}

    hidden = {kind[:MOST_NAME]: keys[:MOST_ENTRIES] for kind, keys in list(view.hidden.items())[:MOST_ENTRIES]}
    return replace(
        view, environments=view.environments[:MOST_ENTRIES], tabs=few(view.tabs), filters=few(view.filters),
        orders=few(view.orders), hidden=hidden, window=view.window if 1 <= view.window <= 366 * 86400 else HOUR_S,
    )  # fmt: skip


class ViewBook:
    """The file of a user's views. Its methods block on the disk."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / f"views-{os.getuid()}.json"

    def read(self) -> Book:
        """The book; an empty one where there is none. Raises QuarterdeckError for one that cannot be used."""
        try:
            if not os.path.lexists(self.path):
                return Book()
            if self.path.is_symlink():
                raise UnsafeFolder(f"{self.path} is a symbolic link, so it is not believed")
            require_own(self.path)
            data = read_bounded(self.path, MAX_BYTES)
            if len(data) > MAX_BYTES:
                raise _unusable(self.path, f"it has more than {MAX_BYTES} bytes", f"move {self.path} away")
            book = msgspec.json.decode(data, type=Book)
        except msgspec.MsgspecError as error:
            raise _unusable(self.path, f"it is damaged: {clean(str(error), 200)}", f"move {self.path} away") from error
        except (OSError, UnsafeFolder) as error:
            raise _unusable(self.path, clean(str(error), 300), "check its owner and mode") from error
        if book.version > VERSION:
            raise _unusable(self.path, "a newer Quarterdeck wrote it", "upgrade Quarterdeck")
        return replace(book, views={n: bounded(v) for n, v in book.views.items() if not problem(n)})

    def change(self, edit: Callable[[Book], Book]) -> Book:
        """Read, edit and write the book while no other deck does; what is not read is not replaced either.

        Raises QuarterdeckError, also of `edit`.
        """
        try:
            with self._locked():
                before = self.read()
                after = edit(before)
                if after != before:
                    write_private(self.path, msgspec.json.format(msgspec.json.encode(after), indent=1) + b"\n")
                return after
        except (OSError, UnsafeFolder) as error:
            mend = "check the owner, mode and space of its folder"
            raise _unusable(self.path, clean(str(error), 300), mend) from error

    @contextmanager
    def _locked(self) -> Iterator[None]:
        ensure_private_dir(self.path.parent, keep_mode=True)
        name = self.path.with_suffix(".lock")
        handle = os.open(name, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX)
            yield
        finally:
            os.close(handle)


def _unusable(path: Path, why: str, mend: str) -> QuarterdeckError:
    return QuarterdeckError("the saved views cannot be used", source=str(path), why=why, mend=mend)
