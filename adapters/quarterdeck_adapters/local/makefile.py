"""What a Makefile offers, read without running make: `make -qp` would run every $(shell ...) in it. Pure.

Rules, special targets, assignments, directives: https://www.gnu.org/software/make/manual/make.html
Included files, and targets that a function or a pattern makes, are not found.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import msgspec

NAMES = ("GNUmakefile", "makefile", "Makefile")
"""In the order in which GNU make looks for them."""
LIMIT = 1024 * 1024
MOST = 100
_TARGET = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_./+@-]{0,99}")
_ASSIGNMENT = re.compile(
    r"\s*(?:(?:override|export|private|unexport)\s+)*([A-Za-z0-9_.-]+)\s*(\?|:{1,3}|\+|!)?=\s*(.*)", re.DOTALL
)
_HELP = re.compile(r"##\s*(\S.*)$")
_DIRECTIVES = ("ifeq", "ifneq", "ifdef", "ifndef", "else", "endif", "include", "-include", "sinclude", "export",
               "unexport", "vpath", "undefine", "load", "-load")  # fmt: skip


class Target(msgspec.Struct, frozen=True, kw_only=True):
    """A target: what it says of itself (`## words` behind its rule), what it needs, and its recipe as written."""

    name: str
    help: str = ""
    needs: tuple[str, ...] = ()
    recipe: tuple[str, ...] = ()


class Makefile(msgspec.Struct, frozen=True, kw_only=True):
    """Targets in the order of the file. `phony`: those that it declares to be no files. `variables` may be given by
    whoever runs it (`?=`), with their defaults. `includes`: how many directives name other files."""

    targets: dict[str, Target] = {}
    phony: tuple[str, ...] = ()
    variables: dict[str, str] = {}
    includes: int = 0

    def offered(self, wanted: tuple[str, ...] = ()) -> list[Target]:
        """The targets that are wanted, as far as they are there; without a wish the phony ones. At most a hundred."""
        names = wanted or self.phony
        return [self.targets[name] for name in self.targets if name in names][:MOST]


def parse(text: str) -> Makefile:
    """What a Makefile says of its targets."""
    targets: dict[str, Target] = {}
    phony: dict[str, None] = {}
    variables: dict[str, str] = {}
    current: tuple[str, ...] = ()
    includes = 0
    for line, recipe in _logical(text):
        if recipe:
            for name in current:
                target = targets[name]
                targets[name] = msgspec.structs.replace(target, recipe=(*target.recipe, line))
            continue
        word = line.split(maxsplit=1)[0] if line.strip() else ""
        if not word or word.startswith("#"):
            continue
        if (found := _ASSIGNMENT.match(line)) is not None:
            if found[2] == "?" and re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", found[1]):
                variables.setdefault(found[1], found[3].partition(" #")[0].strip())
            current = ()
            continue
        if word in _DIRECTIVES:
            includes += word.endswith("include")
            continue
        head, colon, rest = line.partition(":")
        rest = rest.removeprefix(":")
        current = ()
        if not colon or not head.strip() or "=" in head or "#" in head or _ASSIGNMENT.match(rest):
            continue
        named = head.strip().removesuffix("&").split()
        needs, _, inline = _without_comment(rest).partition(";")
        if named == [".PHONY"]:
            phony.update(dict.fromkeys(name for name in needs.split() if _TARGET.fullmatch(name)))
            continue
        help = _HELP.search(rest)
        current = tuple(name for name in named if _TARGET.fullmatch(name))
        for name in current:
            before = targets.get(name, Target(name=name))
            targets[name] = Target(
                name=name, help=help[1] if help else before.help,
                needs=(*before.needs, *needs.replace("|", " ").split()),
                recipe=(*before.recipe, *filter(None, (inline.strip(),))),
            )  # fmt: skip
    return Makefile(
        targets=targets, phony=tuple(name for name in phony if name in targets), variables=variables, includes=includes
    )


def _without_comment(text: str) -> str:
    return re.split(r"(?<!\\)#", text, maxsplit=1)[0]


def _logical(text: str) -> Iterator[tuple[str, bool]]:
    """The lines with their continuations, and whether each is of a recipe. `define` blocks are left out."""
    prefix, inside = "\t", 0
    lines = iter(text.splitlines())
    for line in lines:
        while line.endswith("\\"):
            line = f"{line[:-1].rstrip()} {next(lines, '').lstrip()}"
        words = line.split()
        recipe = line.startswith(prefix)
        if not recipe and words and (words[0] == "define" or words[:2] == ["override", "define"]):
            inside += 1
        elif not recipe and inside and words and words[0] == "endef":
            inside -= 1
        elif not inside:
            if words[:1] == [".RECIPEPREFIX"] and len(words) > 2:
                prefix = words[2][0]
            yield (line.removeprefix(prefix).strip(), True) if recipe else (line, False)
