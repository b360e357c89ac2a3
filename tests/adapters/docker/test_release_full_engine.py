"""An engine whose disk is too small for the image that is released: its data lies on a real disk of a few megabytes."""

from __future__ import annotations

import os
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from contract.docker_subjects import Subject
from parts.engine import Engine
from parts.registry import Registry
from parts.smalldisk import small_disk
from releases.memoryports import Book

from .boxcase import SERVES, Box
from .conftest import Rig
from .test_release_container_engine import engine as released_by
from .test_release_container_engine import planned

DISK_MB = 40
LARGE = 30 * 1024 * 1024
"""Bytes of an image that no compression makes small: twice as many hexadecimal digits."""
pytestmark = pytest.mark.real("docker.io", "busybox-static")


@pytest.fixture
async def small(registry: Registry) -> AsyncIterator[Box]:
    """A box on an engine with a small disk."""
    registry.start()
    folder = Path(tempfile.mkdtemp(prefix="qd-small-", dir="/tmp"))
    try:
        with small_disk(folder / "data", DISK_MB) as disk, Engine(data_root=disk.folder) as engine:
            subject = Subject(engine.url, real=True)
            subject.api.create_network("test-net", driver="bridge")
            rig = Rig(subject, None, engine)
            try:
                yield Box(rig, registry)
            finally:
                await rig.source.close()
                subject.close()
    except PermissionError as error:
        pytest.skip(str(error))
    finally:
        (folder / "data").rmdir()
        folder.rmdir()


async def test_a_pull_that_fills_the_engines_disk_leaves_the_old_one_and_names_the_folder(
    small: Box, fresh_engine: Engine
) -> None:
    small.image("1", "ENV CODE=0", keep=True)
    fresh_engine.image(
        f"{small.repository}:large", changes=(SERVES, "ENV CODE=0"), files={"/large": os.urandom(LARGE).hex()}
    )
    for line in fresh_engine.api.push(small.repository, tag="large", stream=True, decode=True):
        assert "error" not in line, line
    old = small.start()
    plan = await planned(small, "large", "op-2")
    ended = await released_by(small, plan, Book()).run()
    assert ended.result == "FAILED", ended
    root = small.api.info()["DockerRootDir"]
    assert f"the disk of {root} is full" in ended.message, ended.message
    assert f"free space below {root}" in ended.message, ended.message
    small.as_before(old)
    assert await small.target().lease.read() is None
