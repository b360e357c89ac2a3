"""What a tag means, how an image comes, and that a pull that fails touches nothing."""

from __future__ import annotations

import pytest

from quarterdeck_adapters.docker.release import references
from quarterdeck_adapters.docker.release.references import Reference
from quarterdeck_demo import faults
from quarterdeck_lifecycle.errors import Conflict, NotFound, QuarterdeckError, Timeout, Unavailable
from quarterdeck_lifecycle.release.model import Identity

from .boxcase import Box

HOSTILE = (
    "--help", "-v", "$(reboot)", ";reboot", "`id`", "a b", "1\n2", "'", '"', "../../etc", "1?x=y", "1#", "sha256:zz",
    "sha256:" + "0" * 63, "é", "a" * 129, "@", ":", "//", "%2e%2e",
)  # fmt: skip


async def test_a_tag_and_a_digest_are_asked_at_the_registry(box: Box) -> None:
    first = box.image("1", "LABEL org.opencontainers.image.revision=abc123", keep=True)
    second = box.image("2")
    box.start()
    target = box.target()
    known = await target.resolve("1", box.repository)
    assert (known.digest, known.revision, known.wanted, known.labels["build"]) == (first, "abc123", "1", "1")
    assert known.size is not None
    assert known.created_at is not None
    far = await target.resolve("2", box.repository)
    assert (far.name, far.digest, far.size) == (box.repository, second, None)
    assert (await target.resolve("2", "")).digest == second, "the repository of what runs"
    for wanted in (second, f"{box.repository}:2", f"{box.repository}@{second}", f"{box.repository}:1@{second}"):
        assert (await target.resolve(wanted, box.repository)).digest == second
    with pytest.raises(NotFound):
        await target.resolve("none", box.repository)


async def test_without_a_registry_what_is_here_answers(box: Box) -> None:
    first = box.image("1", keep=True)
    second = box.image("2", keep=True)
    third = box.image("3")
    box.start()
    target = box.target()
    box.off()
    assert (await target.resolve("2", box.repository)).digest == second
    assert (await target.resolve(first, box.repository)).digest == first
    with pytest.raises(Unavailable):
        await target.resolve("3", box.repository)
    with pytest.raises(QuarterdeckError):
        await target.resolve(third, box.repository)
    draft = await box.draft(target, "2")
    image = next(check for check in draft.checks if check.name == "image")
    assert (image.ok, image.blocks) == (None, False)
    assert "does not answer" in image.said
    assert "2 is what this engine knew last" in image.said
    await target.recheck(draft.change)


async def test_an_image_that_no_registry_knows_is_released_by_its_id(box: Box) -> None:
    box.image("1", keep=True)
    box.start()
    id = box.rig.subject.image("test/local:2", changes=('CMD ["sh", "-c", "sleep 1000"]', "LABEL local=1"))
    target = box.target(stop_timeout="1")
    identity = await target.resolve("test/local:2", "")
    assert (identity.name, identity.digest, identity.image_id) == ("test/local", "", id)
    draft = await box.draft(target, identity)
    assert any("no registry is known" in check.said for check in draft.checks)
    await target.recheck(draft.change)
    await box.release(target, draft)
    seen = await target.look()
    assert seen.identity is not None
    assert seen.identity.same(identity)


async def test_names_that_no_image_has_are_sent_nowhere(box: Box) -> None:
    box.image("1", keep=True)
    id = box.start()
    target = box.target()
    for wanted in HOSTILE:
        with pytest.raises(NotFound):
            await target.resolve(wanted, box.repository)
    for name in (*HOSTILE, id[:12], id, "app/json", "app?all=1", "App", "/app"):
        other = box.target(name)
        with pytest.raises(NotFound):
            await other.look()
        assert await other.lease.read() is None


async def test_a_pull_says_what_comes(box: Box) -> None:
    box.image("1", keep=True)
    digest = box.image("2")
    box.start()
    target = box.target()
    draft = await box.draft(target, "2")
    assert "pulled" in await box.do(target, draft.change, draft.steps[0])
    assert any("Digest: " + digest in line for line in box.said)
    assert box.api.inspect_image(f"{box.repository}@{digest}")["RepoDigests"] == [f"{box.repository}@{digest}"]
    said = len(box.said)
    assert "here already" in await target.do(draft.change, draft.steps[0], box.say)
    assert len(box.said) == said


async def test_a_registry_that_went_away_leaves_all_as_it_is(box: Box) -> None:
    box.image("1", keep=True)
    box.image("2")
    old = box.start()
    target = box.target()
    draft = await box.draft(target, "2")
    box.off()
    with pytest.raises(QuarterdeckError):
        await box.do(target, draft.change, draft.steps[0])
    with pytest.raises(NotFound, match="pull it first"):
        await box.do(target, draft.change, draft.steps[1])
    box.as_before(old)


@pytest.mark.parametrize("bare_rig", ["practice"], indirect=True)
@pytest.mark.parametrize(
    ("said", "kind", "words"),
    [
        ("write /var/lib/docker/tmp/x: no space left on device", Conflict, "the disk of /var/lib/docker is full"),
        ("toomanyrequests: slow down", Unavailable, "toomanyrequests"),
        ("manifest unknown", NotFound, "manifest unknown"),
    ],
)
async def test_an_error_inside_the_200_of_a_pull_is_found(
    box: Box, said: str, kind: type[QuarterdeckError], words: str
) -> None:
    box.image("1", keep=True)
    digest = box.image("2")
    old = box.start()
    target = box.target()
    draft = await box.draft(target, "2")
    assert box.rig.practice is not None
    box.rig.practice.docker.pull_failures[f"{box.repository}@{digest}"] = said
    with pytest.raises(kind, match=words):
        await box.do(target, draft.change, draft.steps[0])
    box.as_before(old)


@pytest.mark.parametrize("bare_rig", ["practice"], indirect=True)
async def test_a_pull_that_does_not_end_is_given_up(box: Box) -> None:
    import msgspec

    box.image("1", keep=True)
    box.image("2")
    old = box.start()
    target = box.target()
    draft = await box.draft(target, "2")
    assert box.rig.practice is not None
    box.rig.practice.docker.faults.add(faults.BlackHole(), method="POST", path="/images/create")
    with pytest.raises(Timeout, match="no answer within"):
        await box.do(target, draft.change, msgspec.structs.replace(draft.steps[0], deadline_s=0.5))
    box.as_before(old)


def test_references_are_read_as_the_engine_reads_them() -> None:
    digest = "sha256:" + "a" * 64
    for wanted, name, found in (
        ("1.2", "team/app", Reference("team/app", "1.2")),
        ("1.2", "docker.io/library/redis:7", Reference("redis", "1.2")),
        (digest, "127.0.0.1:5000/a", Reference("127.0.0.1:5000/a", "", digest)),
        ("127.0.0.1:5000/b", "127.0.0.1:5000/a", Reference("127.0.0.1:5000/b", "latest")),
        ("127.0.0.1:5000/b:9", "", Reference("127.0.0.1:5000/b", "9")),
        (f"b@{digest}", "a", Reference("b", "", digest)),
        ("", "redis:7", Reference("redis", "7")),
    ):
        assert references.read(wanted, name) == found, wanted
    assert references.repository(digest) == ""
    assert str(Reference("a", "1")) == "a:1"
    assert Identity(kind="image", name="a", digest=digest).reference == f"a@{digest}"
