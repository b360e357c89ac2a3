"""`quarterdeck changes` on a state that a deck has written."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

from click.testing import CliRunner

from quarterdeck.grammar import cli
from quarterdeck_lifecycle.changelog import ChangeLog, ChangeRow
from quarterdeck_lifecycle.state import StateDB

NOW = datetime.now(UTC)


def row(number: int, minutes: float, **more: str) -> ChangeRow:
    fields = {
        "source": "one", "system": "docker", "kind": "container", "ref": "one/container/1", "name": f"c{number}",
        "environment": "prod", "what": "image", "before": "app:1", "after": "app:2", **more,
    }  # fmt: skip
    return ChangeRow(f"{number}", NOW - timedelta(minutes=minutes), **fields)  # type: ignore[arg-type]


def run(state: Path, *arguments: str) -> tuple[int, str]:
    env = {"QUARTERDECK_STATE": str(state), "HOME": str(state.parent), "XDG_CONFIG_HOME": str(state.parent)}
    done = CliRunner().invoke(cli, ["changes", *arguments], env=env)
    return done.exit_code, done.output


def test_a_state_is_read_by_the_command(tmp_path: Path) -> None:
    async def fill() -> None:
        db = StateDB(tmp_path / "state")
        await ChangeLog(db, str).add([
            row(1, 1, by="us", op="op-1", actor="ana"), row(2, 30, system="mlflow", kind="model"),
            row(3, 90, environment="staging", actor="op2?", note="label says so"),
        ])  # fmt: skip
        assert await db.aclose()

    asyncio.run(fill())
    state = tmp_path / "state"

    def names(*arguments: str) -> list[str]:
        code, out = run(state, "--json", *arguments)
        assert code == 0, out
        return [json.loads(line)["name"] for line in out.splitlines()]

    assert names() == ["c1", "c2", "c3"]
    assert names("--since", "-1h") == ["c1", "c2"]
    assert names("--since", (NOW - timedelta(minutes=2)).isoformat()) == ["c1"]
    assert names("--system", "mlflow") == ["c2"]
    assert names("--env", "staging") == ["c3"]
    assert names("--by", "us") == ["c1"]
    assert names("--filter", "!c[12]") == ["c3"]
    assert names("--limit", "2") == ["c1", "c2"]
    code, out = run(state)
    assert code == 0
    assert "op2? (label says so)" in out
    assert "ana  op op-1" in out
    for wrong in (("--since", "soon"), ("--filter", "("), ("--by", "them")):
        assert run(state, *wrong)[0] == 2, wrong
