"""A YAML file as a tree that knows its lines; safe, bounded, and with clear words for everything it refuses.

The tree is built from PyYAML's events (https://pyyaml.org/wiki/PyYAMLDocumentation, "Events"), so that depth
and size are counted while the text is read: no tag constructs anything, no alias multiplies unseen.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from quarterdeck_config.errors import ConfigError, plain

if TYPE_CHECKING:
    import yaml

MAX_BYTES = 256 * 1024
MAX_NODES = 50_000
MAX_DEPTH = 32

Scalar = str | int | float | bool | None


@dataclass(frozen=True, slots=True)
class Origin:
    """The file a node stands in: the name that messages use, and the folder that relative paths start at."""

    shown: str
    folder: Path


@dataclass(slots=True)
class Node:
    """A value and where it stands. ``line`` counts from 1: the key's line for a value of a mapping.

    ``size`` is the number of nodes below and including it; ``labels`` are the places that the items of a
    merged list have in their own files.
    """

    value: Scalar | dict[str, Node] | list[Node]
    origin: Origin
    line: int
    size: int = 1
    labels: list[int] = field(default_factory=list)

    @property
    def mapping(self) -> dict[str, Node]:
        """The children of a mapping; empty for anything else."""
        return self.value if isinstance(self.value, dict) else {}

    @property
    def items(self) -> list[Node]:
        """The children of a list; empty for anything else."""
        return self.value if isinstance(self.value, list) else []

    def label(self, index: int) -> int:
        """The place that item ``index`` has in the file it came from."""
        return self.labels[index] if self.labels else index


class _Refused(Exception):
    def __init__(self, line: int, found: str, expected: str) -> None:
        super().__init__(found)
        self.line, self.found, self.expected = line, found, expected


def parse_document(data: bytes, origin: Origin) -> tuple[Node | None, list[ConfigError]]:
    """The tree of one file's bytes, and what is wrong with it. No tree: the file cannot be used at all."""
    problems: list[ConfigError] = []
    try:
        text = _decode(data)
        if "\t" in text:
            _refuse_tabs(text)
        return _Builder(text, origin, problems).document(), problems
    except _Refused as refused:
        problems.append(ConfigError(origin.shown, refused.line, "", refused.found, refused.expected))
        return None, problems


def _decode(data: bytes) -> str:
    if len(data) > MAX_BYTES:
        raise _Refused(0, f"more than {MAX_BYTES // 1024} KiB", "a config file of at most that size")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise _Refused(line, f"the byte 0x{data[error.start]:02x}", "text in UTF-8") from None
    if not text.strip():
        raise _Refused(1, "an empty file", "keys such as sources, or no file at all")
    return text


def _refuse_tabs(text: str) -> None:
    """YAML 1.1 forbids tabs in the indentation; PyYAML's own words for it help nobody."""
    for number, line in enumerate(text.splitlines(), 1):
        body = line.lstrip(" \t")
        if "\t" in line[: len(line) - len(body)] and body and not body.startswith("#"):
            raise _Refused(number, "a tab in the indentation", "spaces")


class _Builder:
    def __init__(self, text: str, origin: Origin, problems: list[ConfigError]) -> None:
        import yaml
        from yaml.constructor import SafeConstructor
        from yaml.resolver import Resolver

        self.yaml = yaml
        self.origin = origin
        self.problems = problems
        self.nodes = 0
        self.anchors: dict[str, Node] = {}
        self.resolver: Any = Resolver()
        self.constructor = SafeConstructor()
        loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
        self.events: Iterator[yaml.Event] = yaml.parse(text, Loader=loader)

    def document(self) -> Node:
        """The one document of the stream."""
        start = self.next()
        while not isinstance(start, self.yaml.DocumentStartEvent):
            if isinstance(start, self.yaml.StreamEndEvent):
                raise _Refused(1, "an empty file", "keys such as sources, or no file at all")
            start = self.next()
        root = self.node(self.next(), "", 1)
        self.next()
        after = self.next()
        if not isinstance(after, self.yaml.StreamEndEvent):
            raise _Refused(after.start_mark.line + 1, "a second document (---)", "one document in the file")
        if root.value is None:
            raise _Refused(1, "an empty file", "keys such as sources, or no file at all")
        return root

    def next(self) -> Any:
        """The next event, whose type decides which attributes it has."""
        try:
            return next(self.events)
        except self.yaml.MarkedYAMLError as error:
            mark = error.problem_mark or error.context_mark
            why = plain(error.problem or error.context or "a mistake", 100)
            raise _Refused(mark.line + 1 if mark else 0, f"broken YAML ({why})", "valid YAML") from None
        except self.yaml.YAMLError:
            raise _Refused(0, "a control character", "printable text") from None

    def node(self, event: Any, path: str, depth: int) -> Node:
        line = event.start_mark.line + 1
        self.nodes += 1
        if depth > MAX_DEPTH:
            raise _Refused(line, f"more than {MAX_DEPTH} levels", "a flatter file")
        if isinstance(event, self.yaml.AliasEvent):
            known = self.anchors.get(event.anchor or "")
            if known is None:
                raise _Refused(line, "an alias (*) of nothing before it", "an anchor (&) first, or quotes")
            self.nodes += known.size
            self.bound(line)
            return known
        self.bound(line)
        if event.tag not in (None, "!"):
            raise _Refused(line, "a tag (!)", "plain YAML without tags")
        made: Node
        if isinstance(event, self.yaml.ScalarEvent):
            made = Node(self.scalar(event), self.origin, line)
        elif isinstance(event, self.yaml.SequenceStartEvent):
            made = self.sequence(line, path, depth)
        else:
            made = self.mapping(line, path, depth)
        if event.anchor:
            self.anchors[event.anchor] = made
        return made

    def bound(self, line: int) -> None:
        if self.nodes > MAX_NODES:
            raise _Refused(line, f"more than {MAX_NODES:,} values once aliases are followed", "a smaller file")

    def scalar(self, event: yaml.ScalarEvent) -> Scalar:
        """The value by YAML 1.1's rules, dates apart: those stay text."""
        tag = self.resolver.resolve(self.yaml.ScalarNode, event.value, event.implicit)
        if tag.rpartition(":")[2] not in ("null", "bool", "int", "float"):
            return event.value
        try:
            value: Any = self.constructor.construct_object(self.yaml.ScalarNode(tag, event.value))
        except (ValueError, OverflowError):
            return event.value
        return value if value is None or isinstance(value, (bool, int, float)) else event.value

    def sequence(self, line: int, path: str, depth: int) -> Node:
        items: list[Node] = []
        while not isinstance(event := self.next(), self.yaml.SequenceEndEvent):
            items.append(self.node(event, f"{path}[{len(items)}]", depth + 1))
        return Node(items, self.origin, line, 1 + sum(item.size for item in items))

    def mapping(self, line: int, path: str, depth: int) -> Node:
        children: dict[str, Node] = {}
        merged: dict[str, Node] = {}
        while not isinstance(event := self.next(), self.yaml.MappingEndEvent):
            at = event.start_mark.line + 1
            if not isinstance(event, self.yaml.ScalarEvent) or event.tag not in (None, "!"):
                raise _Refused(at, "a key that is no plain text", "a text before the colon")
            key: str = event.value
            below = f"{path}.{plain(key)}" if path else plain(key)
            child = self.node(self.next(), below, depth + 1)
            if key == "<<" and event.implicit[0]:
                for part in child.items or [child]:
                    merged = {**part.mapping, **merged}
                continue
            if key in children:
                self.problems.append(
                    ConfigError(
                        self.origin.shown, at, below, "the key a second time", f"it once (line {children[key].line})"
                    )
                )
                continue
            children[key] = Node(child.value, child.origin, at, child.size, child.labels)
        children = {**merged, **children}
        return Node(children, self.origin, line, 1 + sum(child.size for child in children.values()))
