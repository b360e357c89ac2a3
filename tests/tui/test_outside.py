"""What the program offers outside its screen: completions, manual, bundle, its own log, lines for pipes."""

from __future__ import annotations

import json
import logging
import os
import shutil
import subprocess
import tarfile
from pathlib import Path

import pytest

from deckcase import deck
from parts.deckworld import COMMAND, PracticeWorld, environment, quarterdeck
from parts.process import DEADLINE
from quarterdeck.bundle import masked
from quarterdeck.grammar import Commands, cli
from quarterdeck.manpage import commands, page
from quarterdeck.ownlog import LOG, NAME, OwnLog, log_path
from quarterdeck_config.redact import REDACTOR
from scripted import Scripted, container

CANARY = "canary-0f3a9c7715d2"


@pytest.mark.parametrize(("shell", "check"), [("bash", ["-n"]), ("zsh", ["-n"]), ("fish", ["--no-execute"])])
def test_the_completion_script_is_one_that_its_shell_reads(shell: str, check: list[str], tmp_path: Path) -> None:
    done = quarterdeck("completions", shell, home=tmp_path)
    assert done.code == 0
    assert "_QUARTERDECK_COMPLETE" in done.out
    if shutil.which(shell):
        script = tmp_path / "script"
        script.write_text(done.out)
        subprocess.run([shell, *check, str(script)], check=True, capture_output=True)


def test_completion_names_commands_and_options_and_opens_no_deck(tmp_path: Path) -> None:
    def completed(words: str, at: int) -> list[str]:
        env = {"_QUARTERDECK_COMPLETE": "bash_complete", "COMP_WORDS": words, "COMP_CWORD": str(at)}
        return quarterdeck(home=tmp_path, env=env).out.split()

    assert completed("quarterdeck de", 1) == ["plain,deploy", "plain,demo"]
    assert "plain,--line" in completed("quarterdeck status --", 2)


def test_the_manual_names_every_command_and_every_option(tmp_path: Path) -> None:
    text = page(cli, "9.9", 0)
    assert '.TH QUARTERDECK 1 "1970-01-01"' in text
    plain = text.replace("\\-", "-")
    for words, command in commands(cli, "quarterdeck"):
        assert f".SS {words}" in plain
        for param in command.params:
            assert all(name in plain for name in param.opts if name.startswith("--"))
    assert set(Commands.lazy) <= {words.split()[1] for words, _ in commands(cli, "quarterdeck")}
    done = quarterdeck("man", "--install", home=tmp_path)
    file = Path(done.out.strip())
    assert file == tmp_path / ".local/share/man/man1/quarterdeck.1"
    if shutil.which("man"):
        read = subprocess.run(["man", "--warnings", "-l", str(file)], capture_output=True, text=True, check=True)
        assert "quarterdeck rollback" in read.stdout
        assert not read.stderr


def test_the_bundle_is_private_and_holds_no_secret(tmp_path: Path) -> None:
    config = tmp_path / ".config" / "quarterdeck"
    config.mkdir(parents=True, mode=0o700)
    source = {
        "name": "ml", "system": "mlflow", "url": "http://127.0.0.1:1", "token": {"env": "ML_SECRET"},
        "options": {"api_key": CANARY},
    }  # fmt: skip
    command = {"argv": ["x", f"--token={CANARY}", "--password", CANARY], "env": {"MY_PASSWORD": CANARY}}
    (config / "config.yaml").write_text(json.dumps({"sources": [source], "commands": {"x": command}}))
    log = log_path(environment(tmp_path))
    log.parent.mkdir(parents=True, mode=0o700)
    log.write_text(f"a line about ?token={CANARY}\n")
    crashes = tmp_path / "state" / "crashes"
    crashes.mkdir()
    (crashes / "one.txt").write_text(f"Authorization: Bearer {CANARY}\n")
    done = quarterdeck("doctor", "--bundle", home=tmp_path, env={"ML_SECRET": CANARY})
    assert done.code == 0, done
    file = Path(done.out.strip())
    assert (file.stat().st_mode & 0o777, file.parent.stat().st_mode & 0o777) == (0o600, 0o700)
    with tarfile.open(file) as archive:
        parts = {entry.name.rpartition("/")[2]: archive.extractfile(entry).read() for entry in archive}  # type: ignore[union-attr]
    assert set(parts) == {
        "doctor.json", "versions.txt", "config.json", "environment.txt", "quarterdeck.log", "crash-1.txt",
    }  # fmt: skip
    assert not [name for name, data in parts.items() if CANARY.encode() in data]
    assert json.loads(parts["config.json"])["sources"][0]["token"]["env"] == "ML_SECRET"
    assert b"a line about" in parts["quarterdeck.log"]
    assert b"ML_SECRET\n" in parts["environment.txt"]
    assert json.loads(parts["doctor.json"])["sources"][0]["name"] == "ml"


def test_a_config_as_data_keeps_references_and_loses_values() -> None:
    found = masked({"token": {"env": "A"}, "env": {"DB_PASSWORD": "x", "PORT": "1"}, "argv": ["t", "--token=abc"]})
    assert found == {"token": {"env": "A"}, "env": {"DB_PASSWORD": "***", "PORT": "1"}, "argv": ["t", "--token=***"]}


def test_the_own_log_is_private_redacted_and_rotates(tmp_path: Path) -> None:
    REDACTOR.register(CANARY)
    env = {"QUARTERDECK_STATE": str(tmp_path)}
    log = OwnLog(env, most=2000)
    for number in range(60):
        LOG.info("line %d %s \x1b]0;title\x07", number, CANARY)
    LOG.debug("not at this level")
    log.close()
    folder = log_path(env).parent
    assert (log_path(env).stat().st_mode & 0o777, folder.stat().st_mode & 0o777) == (0o600, 0o700)
    second = OwnLog(env, most=2000)
    for number in range(60, 120):
        LOG.info("line %d", number)
    second.close()
    names = sorted(path.name for path in folder.iterdir())
    assert names[:2] == [NAME, f"{NAME}.1"]
    text = "".join(path.read_text() for path in folder.iterdir())
    assert "line 119" in log_path(env).read_text()
    assert CANARY not in text
    assert "\x1b" not in text
    assert "not at this level" not in text
    assert len(names) <= 4


async def test_a_deck_writes_down_its_begin_its_sources_and_its_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("QUARTERDECK_STATE", str(tmp_path))
    source = Scripted(rows=[container("api")])
    async with deck([source]) as d:
        source.error = ConnectionError("it went away")
        d.app.boot.hub.poke()
        await d.until(lambda: d.app.boot.hub.trouble(), "trouble")
        d.app.say("hello from here", "warning")
    text = log_path(os.environ).read_text()
    for words in ("deck begins", "local container: ", "it went away", "said: hello from here", "deck ends"):
        assert words in text
    assert not logging.getLogger("asyncio").handlers


def test_status_watch_goes_on_and_ends_with_its_reader(tmp_path: Path) -> None:
    with PracticeWorld() as world:
        engine = {"name": "engine", "system": "docker", "url": world.endpoints["docker"]}
        config = tmp_path / "config" / "quarterdeck"
        config.mkdir(parents=True, mode=0o700)
        (config / "config.yaml").write_text(json.dumps({"sources": [engine]}))
        env = environment(tmp_path, {"XDG_CONFIG_HOME": str(tmp_path / "config"), "PATH": "/nowhere"})
        child = subprocess.Popen(
            [*COMMAND, "status", "--watch", "--json"], env=env, cwd=tmp_path, stdout=subprocess.PIPE
        )
        try:
            assert child.stdout is not None
            first = json.loads(child.stdout.readline())
            name = next(row["name"] for row in first["containers"]["rows"] if row["state"] == "running")
            ref = next(row["ref"] for row in first["containers"]["rows"] if row["name"] == name)
            done = world.run("do", "container.stop", ref, "--yes", env=env)
            assert done.code == 0, done
            while True:
                rows = json.loads(child.stdout.readline())["containers"]["rows"]
                if next(row["state"] for row in rows if row["name"] == name) != "running":
                    break
            child.stdout.close()
            assert child.wait(DEADLINE) in (0, 4)
        finally:
            child.kill()
            child.wait()
