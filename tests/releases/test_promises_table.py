"""The table of promises in CONTRIBUTING.md: one row for each, and every test that it names is there."""

from __future__ import annotations

import ast
import re
from pathlib import Path

from parts.needs import ROOT

TABLE = re.compile(r"^\| D(\d+) \| (.+?) \| (.+?) \| (.+?) \|$", re.MULTILINE)
TEST = re.compile(r"`(test_\w+\.py)::(\w+)`")


def rows() -> list[tuple[str, ...]]:
    """Number, promise, tests, how it was taken out."""
    return TABLE.findall((ROOT / "CONTRIBUTING.md").read_text())


def names(path: Path) -> set[str]:
    """What a test file defines."""
    found = set()
    for node in ast.parse(path.read_text()).body:
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            found.add(node.name)
        elif isinstance(node, ast.Assign):
            found |= {target.id for target in node.targets if isinstance(target, ast.Name)}
    return found


def test_every_promise_has_its_row_and_every_row_a_test_and_how_it_was_taken_out() -> None:
    found = rows()
    assert [int(number) for number, *_ in found] == list(range(1, 29))
    for number, _, tests, taken_out in found:
        assert TEST.findall(tests), f"D{number} names no test"
        assert len(taken_out) > 20, f"D{number} does not say how it was taken out"


def test_every_test_that_is_named_exists() -> None:
    files = {path.name: path for path in (ROOT / "tests").rglob("test_*.py")}
    for number, _, tests, _ in rows():
        for file, name in TEST.findall(tests):
            assert file in files, f"D{number}: there is no {file}"
            assert name in names(files[file]), f"D{number}: {file} has no {name}"
