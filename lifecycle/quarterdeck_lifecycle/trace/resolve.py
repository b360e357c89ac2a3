"""REF: from words to what a thread begins at. Contract: several different things are named, never chosen among."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from quarterdeck_lifecycle.kinds import Commit, Container, ModelVersion, Operation, Repository, Run, Tag
from quarterdeck_lifecycle.records import Record, Ref
from quarterdeck_lifecycle.trace.facts import SHORT, bare, image_name, last_name
from quarterdeck_lifecycle.trace.graph import BARE, Graph
from quarterdeck_lifecycle.trace.hops import PLACES

_HEX = re.compile(r"[0-9a-f]{4,64}")
IDS = 12
"""So many digits of a digest or of a container's id are asked for."""


class Several(LookupError):
    """The words name several different things. `candidates` are refs, each of them a REF."""

    def __init__(self, words: str, candidates: Iterable[Ref]) -> None:
        self.candidates = tuple(sorted(set(candidates)))
        super().__init__(f"{words} is ambiguous")


def resolve(words: str, graph: Graph) -> tuple[Ref, ...]:
    """What the words name: one thing, which several rows may stand for. Raises Several, LookupError."""
    ref = _listed(words, graph)
    if ref is not None:
        return (ref,)
    form, colon, rest = words.partition(":")
    if words.startswith("sha256:"):
        found = _digest(words, graph)
    elif form in FORMS and colon and rest:
        found = FORMS[form](rest, graph)
    else:
        found = _word(words, graph)
    one = _one(words, found, graph)
    if not one:
        raise LookupError(f"nothing here is called {words}")
    return one


def _listed(words: str, graph: Graph) -> Ref | None:
    try:
        ref = Ref.parse(words)
    except ValueError:
        return None
    return ref if graph.record(ref) is not None or (ref.source == BARE and ref.kind in PLACES) else None


def _one(words: str, found: Sequence[Ref], graph: Graph) -> tuple[Ref, ...]:
    """Rows that stand for one thing: images and tags of one digest, everything else one ref."""
    groups: list[tuple[set[str], list[Ref]]] = []
    for ref in dict.fromkeys(found):
        digests = set(graph.known(ref).of("digest")) if ref.kind in ("tag", "image") else {str(ref)}
        same = [group for group in groups if group[0] & digests]
        merged = (digests.union(*(group[0] for group in same)), [r for group in same for r in group[1]] + [ref])
        groups = [group for group in groups if group not in same] + [merged]
    if len(groups) > 1:
        raise Several(words, (group[1][0] for group in groups))
    return tuple(groups[0][1]) if groups else ()


def _digest(words: str, graph: Graph) -> list[Ref]:
    if len(words) < len("sha256:") + IDS:
        return []
    found: list[Ref] = []
    for value in graph.index.told("digest"):
        if value.startswith(words):
            rows = [ref for ref in graph.telling("digest", value) if ref.kind in ("tag", "image")]
            found += rows or [bare("digest", value)]
    return found


def _git(words: str, graph: Graph) -> list[Ref]:
    return _sha(words, graph) or _tagged(words, graph) or _branch(words, graph)


def _sha(words: str, graph: Graph) -> list[Ref]:
    text = words.lower()
    if not _HEX.fullmatch(text) or len(text) < SHORT:
        return []
    return [bare("commit", sha) for sha in graph.whole(text)]


def _tagged(words: str, graph: Graph) -> list[Ref]:
    found: list[Ref] = []
    for value in graph.index.told("tagname"):
        if value.partition(":")[2] == words or value == words:
            faces = [ref for ref in graph.telling("tagname", value) if ref.kind in ("commit", "repository")]
            found += [thing for ref in faces for thing in graph.things(ref)]
    return found


def _branch(words: str, graph: Graph) -> list[Ref]:
    """The commit of a branch: of the work tree, of the history that was read, else of its latest run, by repository."""
    name, colon, branch = words.rpartition(":")
    heads: dict[str, tuple[float, Ref]] = {}
    for record in graph.records("repository", "commit", "run"):
        repository, head, at = _head(record, branch)
        if head and (not colon or repository == name.lower()) and at >= heads.get(repository, (0.0, None))[0]:
            heads[repository] = at, bare("commit", head)
    return [ref for _, ref in heads.values()]


def _head(record: Record, branch: str) -> tuple[str, str, float]:
    """The repository, the commit that a row tells to be the branch's, and when; no commit where it is another's."""
    if isinstance(record, Repository) and record.branch == branch:
        return last_name(record.path), record.head, 9e15
    if isinstance(record, Commit) and {branch, f"HEAD -> {branch}"} & set(record.refs):
        return last_name(record.ref.id.partition("\0")[0]), record.sha, 9e14
    if isinstance(record, Run) and record.branch == branch:
        return last_name(record.repository), record.head, record.updated_at or 0.0
    return "", "", 0.0


def _pull(words: str, graph: Graph) -> list[Ref]:
    where, _, number = words.rpartition("#")
    found: list[Ref] = []
    for value in graph.index.told("pull_request"):
        repository, _, said = value.rpartition("#")
        if said == number and (not where or repository == where.lower() or repository.endswith(f"/{where.lower()}")):
            rows = [ref for ref in graph.telling("pull_request", value) if ref.kind == "pull_request"]
            found += rows or [bare("pull_request", value)]
    return found


def _image(words: str, graph: Graph) -> list[Ref]:
    name, at, digest = words.partition("@")
    tagged = ":" in name.rpartition("/")[2]
    wanted = image_name(name)
    found: list[Ref] = []
    for value in graph.index.told("image"):
        own = value if tagged else value.rpartition(":")[0]
        asked = wanted if tagged else wanted.rpartition(":")[0]
        if own not in (asked, name) and not own.endswith(f"/{name}"):
            continue
        rows = [ref for ref in graph.telling("image", value) if ref.kind in ("tag", "image")]
        found += [ref for ref in rows if not at or any(d.startswith(digest) for d in graph.known(ref).of("digest"))]
    return found


def _model(words: str, graph: Graph) -> list[Ref]:
    model, at, _ = words.partition("@")
    if at:
        return [ref for ref in graph.telling("alias", words) if ref.kind == "version"]
    if "/" in words:
        told = graph.telling("version", words)
        rows = [ref for ref in told if ref.kind == "version"]
        return rows or ([bare("version", words)] if told else [])
    return [record.ref for record in graph.records("model") if record.name == model]


def _word(words: str, graph: Graph) -> list[Ref]:
    """A name or id, else a commit, else a tag of an image, of git, or a branch: the first of these that is there."""
    named = [record.ref for record in graph.records() if _called(words, record)]
    if named:
        return [thing for ref in named for thing in graph.things(ref) or (ref,)]
    for ask in (_sha, _image_tag, _image, _tagged, _branch):
        if found := ask(words, graph):
            return found
    return []


def _image_tag(words: str, graph: Graph) -> list[Ref]:
    return [record.ref for record in graph.records("tag") if isinstance(record, Tag) and record.tag == words]


def _called(words: str, record: Record) -> bool:
    if words in (record.name, record.ref.id):
        return True
    if isinstance(record, Run):
        return words == f"#{record.number}"
    if isinstance(record, ModelVersion):
        return words == f"{record.model}/{record.version}"
    if isinstance(record, Container):
        return len(words) >= IDS and record.ref.id.startswith(words)
    return isinstance(record, Operation) and len(words) >= 8 and record.op.startswith(words)


FORMS = {"git": _git, "pr": _pull, "image": _image, "model": _model}

