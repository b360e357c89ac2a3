"""A test whose real part is missing is skipped with the package's name, or fails where every part must be there."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from parts.needs import ROOT

TESTS = """\
import os
import pytest
from parts import needs

needs.PROGRAMS["haproxy"] = "no-such-program"

@pytest.mark.real("haproxy")
def test_wants_it():
    raise SystemExit("a test ran without its part")

@pytest.mark.parametrize("n", range(8))
@pytest.mark.real("docker-registry")
def test_shared(n):
    print("worker", os.environ["PYTEST_XDIST_WORKER"])
"""


def run(folder: Path, required: str, *arguments: str) -> str:
    (folder / "test_wanting.py").write_text(TESTS)
    (folder / "pytest.ini").write_text("[pytest]\nmarkers =\n    real(part): x\n    tmux: x\n")
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "conftest", "-p", "no:cacheprovider", "-rA", *arguments],
        cwd=folder,
        env={**os.environ, "QUARTERDECK_REQUIRE_REAL": required, "PYTHONPATH": str(ROOT / "tests")},
        capture_output=True,
        text=True,
        check=False,
        stdin=subprocess.DEVNULL,
    )
    return done.stdout


def test_a_missing_part_skips_and_names_its_package(tmp_path: Path) -> None:
    told = run(tmp_path, "0", "-k", "wants")
    assert "needs the Debian package haproxy: `make real` brings it" in told
    assert "1 skipped" in told
    assert "failed" not in told.splitlines()[-1]


@pytest.mark.real("docker-registry")
def test_a_missing_part_fails_where_every_part_must_be_there(tmp_path: Path) -> None:
    told = run(tmp_path, "1", "-n", "2", "--dist", "loadgroup")
    assert "needs the Debian package haproxy: `make real` brings it, and QUARTERDECK_REQUIRE_REAL=1" in told
    assert "8 passed" in told.splitlines()[-1]
    assert "skipped" not in told.splitlines()[-1]
    assert "1 error" in told.splitlines()[-1] or "1 failed" in told.splitlines()[-1]
    workers = {line for line in told.splitlines() if line.startswith("worker ")}
    assert len(workers) == 1
