"""`w` in a real terminal: the mark, the bytes of bell and title, the list, the way out; and `wait` beside it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from collections.abc import Callable
from contextlib import closing

import docker

from parts.bytestream import tokens
from parts.deckworld import COMMAND, PracticeWorld, environment
from parts.process import DEADLINE, wait_until
from parts.pty import Pty
from quarterdeck.notices import GIVE_TITLE_BACK, KEEP_TITLE

NAME = "dev-redis"
BACK = f"\x1b]2;\a{GIVE_TITLE_BACK}".encode()

FOCUS_IN, FOCUS_OUT = "\x1b[I", "\x1b[O"


def titled(words: str) -> bytes:
    """The bytes of one call: the title kept, another one set, the bell."""
    return f"{KEEP_TITLE}\x1b]2;{words}\a\a".encode()


def bells(pty: Pty) -> int:
    """How often the bell rang."""
    return sum(token.kind == "control" and token.body == "\a" for token in tokens(pty.received))


def test_from_w_to_the_bell_and_back(open_pty: Callable[..., Pty]) -> None:
    with PracticeWorld() as world, closing(docker.DockerClient(base_url=world.endpoints["docker"])) as engine:
        container = engine.containers.get(NAME)
        pty = open_pty(COMMAND, 100, 30, env=environment(world.home, world.env))
        pty.wait_for(lambda screen: NAME in screen)
        pty.write(f"/{NAME}\r")
        pty.wait_for("1 of ")
        pty.write("w")
        pty.wait_for(f"◉✓ engine   {NAME}")
        pty.write(FOCUS_OUT)
        words = [*COMMAND, "wait", NAME, "--for", "exited", "--json"]
        env = environment(world.home, world.env)
        with subprocess.Popen(words, env=env, cwd=world.home, stdout=subprocess.PIPE, text=True) as waiting:
            try:
                assert waiting.stdout is not None
                first = json.loads(waiting.stdout.readline())
                assert (first["message"], first["state"]) == ("waits until it is exited", "running")
                assert b"\x1b]2;" not in pty.received
                assert not bells(pty)
                container.stop()
                assert json.loads(waiting.stdout.read().splitlines()[-1])["result"] == "DONE"
                assert waiting.wait(DEADLINE) == 0
            finally:
                if waiting.poll() is None:
                    waiting.kill()

        wait_until(lambda: titled(f"✓ {NAME}: exited") in pty.received, "bell and title")
        assert BACK not in pty.received, "nobody has looked"
        pty.write(FOCUS_IN)
        wait_until(lambda: pty.received.count(BACK) == 1, "the title that was there before")
        pty.write(":watches\r")
        pty.wait_for("0 go on, 1 were heard")
        pty.write("\x1b")
        pty.wait_for(f"· engine   {NAME}")

        pty.write("w")
        pty.wait_for(f"◉· engine   {NAME}")
        container.start()
        wait_until(lambda: titled(f"✓ {NAME}: running") in pty.received, "the second call")
        os.kill(pty.pid, signal.SIGTERM)
        pty.wait_exit()
        assert pty.received.endswith(BACK), "the title is given back where nobody looked"
        assert bells(pty) == 2
