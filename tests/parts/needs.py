"""What a test needs of the machine, and which package brings it (the same table as tests/real/install.sh)."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SBIN = "/usr/local/sbin:/usr/sbin:/sbin"
PROGRAMS = {
    "docker.io": "dockerd",
    "busybox-static": "busybox",
    "docker-registry": "docker-registry",
    "prometheus": "prometheus",
    "prometheus-alertmanager": "prometheus-alertmanager",
    "tmux": "tmux",
    "openssh-server": "sshd",
    "haproxy": "haproxy",
}
MLFLOW_HOME, BUILDBOT_HOME = ROOT / ".real" / "mlflow", ROOT / ".real" / "buildbot"
FROM_PYPI = {"mlflow": MLFLOW_HOME, "buildbot": BUILDBOT_HOME}
CAP_NET_ADMIN, CAP_SYS_ADMIN = 12, 21


def program(name: str) -> str:
    """The full path of a program. Raises FileNotFoundError where there is none."""
    found = shutil.which(name, path=f"{os.environ.get('PATH', os.defpath)}:{SBIN}")
    if found is None:
        raise FileNotFoundError(f"{name} is not installed")
    return found


@cache
def missing(part: str) -> str | None:
    """Why `part` (a package of Debian or PyPI) cannot be used here, as "needs ..." goes on; None where it can."""
    if part in FROM_PYPI:
        if (FROM_PYPI[part] / ".installed").exists():
            return None
        return f"the PyPI package {part} in .real/{part}: `make real` brings it"
    try:
        path = program(PROGRAMS[part])
    except FileNotFoundError:
        return f"the Debian package {part}: `make real` brings it"
    if part == "busybox-static" and not _is_static(path):
        return "the Debian package busybox-static (the busybox here is dynamic): `make real` brings it"
    if part == "docker.io" and not _may_run_engine():
        return "root with CAP_SYS_ADMIN and CAP_NET_ADMIN on Linux, to run a private Docker engine"
    return None


def _is_static(path: str) -> bool:
    return subprocess.run(["ldd", path], capture_output=True, check=False).returncode != 0


def _may_run_engine() -> bool:
    if sys.platform != "linux" or os.geteuid() != 0:
        return False
    status = Path("/proc/self/status").read_text()
    effective = int(status.partition("CapEff:")[2].split()[0], 16)
    return all(effective >> capability & 1 for capability in (CAP_NET_ADMIN, CAP_SYS_ADMIN))
