"""Traffic against a service from inside its overlay network, a name look-up for each request; failures are counted."""

from __future__ import annotations

import contextlib
import re
from collections import Counter
from types import TracebackType
from typing import Self

import docker

from parts.process import wait_until
from parts.swarm import Swarm

# httpd as PID 1 ignores TERM. On TERM it goes on for a moment, so that what was sent to it just before is answered.
SERVE = (
    "sh", "-c",
    "httpd -f -p 8080 -h /srv & P=$!; trap 'sleep 1; kill $P; exit 0' TERM; while kill -0 $P; do sleep 0.1; done",
)  # fmt: skip
HEALTH = ("sh", "-c", "wget -q -O - http://127.0.0.1:8080/version")
# `wget -T` of busybox ends with a segmentation fault; a request that hangs counts as failed by the count of all.
_LOOP = (
    "while [ ! -e /tmp/stop ]; do read A _ </proc/uptime; "
    "if V=$(wget -q -O - http://{service}:8080/version 2>/tmp/why); then W=ok; "
    'else W=fail; V=$(tr "\\n" " " </tmp/why); fi; read B _ </proc/uptime; echo $W $A $B $V; sleep {pause}; done'
)
_LINE = re.compile(r"^(ok|fail) ([\d.]+) ([\d.]+) ?(.*)$", re.MULTILINE)


class Traffic:
    """Requests one after the other from a container on the overlay, from `with` on until `stop`.

    `image` is one with busybox; the service is asked for /version on port 8080.
    """

    def __init__(self, swarm: Swarm, image: str, service: str, *, pause_s: float = 0.02) -> None:
        self._swarm, self._image = swarm, image
        self._loop = _LOOP.format(service=service, pause=pause_s)
        self._id = self._told = ""
        self._ended = False

    def __enter__(self) -> Self:
        # A name that means nobody is an answer to wait for, unless the resolver is told not to.
        self._id = self._swarm.run(
            self._image, ["sh", "-c", self._loop], network=self._swarm.overlay,
            host={"dns_opt": ["timeout:1", "attempts:1"]},
        )  # fmt: skip
        wait_until(lambda: self.served, "the first request to be answered")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with contextlib.suppress(docker.errors.NotFound):
            self._swarm.api.remove_container(self._id, force=True)

    def _lines(self) -> list[tuple[str, str, str, str]]:
        if not self._ended:
            self._told = self._swarm.api.logs(self._id).decode("utf-8", "replace")
        return _LINE.findall(self._told)

    @property
    def served(self) -> Counter[str]:
        """How many requests each version answered."""
        return Counter(told for word, _, _, told in self._lines() if word == "ok")

    @property
    def failed(self) -> list[str]:
        """What each failed request said."""
        return [told for word, _, _, told in self._lines() if word == "fail"]

    @property
    def longest_s(self) -> float:
        """Seconds that the slowest request took: where a name means nobody, a look-up waits instead of failing."""
        return max(float(end) - float(start) for _, start, end, _ in self._lines())

    def stop(self) -> str:
        """Send no more; answers the count in a line."""
        made = self._swarm.api.exec_create(self._id, ["touch", "/tmp/stop"])
        self._swarm.api.exec_start(made["Id"])
        self._swarm.api.wait(self._id, timeout=30)
        self._lines()
        self._ended = True
        counted = ", ".join(f"{count} by {version}" for version, count in sorted(self.served.items()))
        answered = f"{sum(self.served.values())} answered ({counted}), {len(self.failed)} failed"
        return f"{answered}, the slowest in {self.longest_s:.2f} s"
