"""What the registry adapter shows and does: the same on the practice registry and on a real one."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from adapters.regrig import LABELS, NOW, Rig, desk, practice_rig, ref, tags
from quarterdeck_demo.oci import OCI_INDEX, OCI_MANIFEST
from quarterdeck_lifecycle.errors import Conflict, NotFound, Refused, Unsupported
from quarterdeck_lifecycle.permit import permit
from quarterdeck_lifecycle.ports import Acts, Describes, Source
from quarterdeck_lifecycle.records import Ref, Status


@pytest.fixture(params=["practice", pytest.param("real", marks=pytest.mark.real("docker-registry"))])
async def rig(request: pytest.FixtureRequest) -> AsyncIterator[Rig]:
    if request.param == "practice":
        made = await practice_rig()
    else:
        made = Rig(request.getfixturevalue("registry").url)
    try:
        yield made
    finally:
        await made.close()


async def test_a_tag_has_digest_size_labels_and_links(rig: Rig) -> None:
    image = rig.image("one")
    digest = await rig.push(image, "v1", "latest")
    found = await tags(rig.source())
    assert list(found) == [f"{rig.repository}:latest", f"{rig.repository}:v1"]
    row = found[f"{rig.repository}:v1"]
    assert (row.digest, row.media_type, row.status) == (digest, OCI_MANIFEST, Status.OK)
    assert row.size == sum(len(blob.data) for blob in (image.config, *image.layers))
    assert (row.platforms, row.labels, row.created_at) == (("linux/amd64",), LABELS, NOW)
    assert (row.registry, row.repository, row.tag) == (rig.host, rig.repository, "v1")
    assert row.note == "same digest as latest"
    assert row.link("commit") == "deadbeef" * 5
    assert row.link("image") == f"{rig.host}/{rig.repository}:v1"
    assert (row.link("digest"), row.link("version")) == (digest, "4.2")
    assert row.link("repository") == "https://git.example.com/team/api"
    assert all(link.evidence for link in row.links)


async def test_a_push_a_move_and_a_delete_from_outside_show_at_the_next_look(rig: Rig) -> None:
    source = rig.source()
    first = rig.image("one")
    await rig.push(first, "v1")
    assert set(await tags(source)) == {f"{rig.repository}:v1"}
    second = await rig.push(rig.image("two", labels={}), "v2", "v1")
    found = await tags(source)
    assert {row.tag: row.digest for row in found.values()} == {"v1": second, "v2": second}
    assert found[f"{rig.repository}:v1"].labels == {}
    (await rig.http.delete(f"/v2/{rig.repository}/manifests/{second}")).raise_for_status()
    assert await tags(source) == {}


async def test_an_index_speaks_through_its_linux_amd64_image(rig: Rig) -> None:
    arm, amd = rig.image("arm", labels={"for": "arm"}), rig.image("amd", labels={"for": "amd"})
    digest = await rig.push_index("multi", arm, amd)
    row = (await tags(rig.source()))[f"{rig.repository}:multi"]
    assert (row.digest, row.media_type, row.state) == (digest, OCI_INDEX, "index")
    assert row.platforms == ("linux/arm64", "linux/amd64")
    assert (row.labels, row.note) == ({"for": "amd"}, "size and labels of linux/amd64")
    assert row.size == sum(len(blob.data) for blob in (amd.config, *amd.layers))
    sections = {section.title: section for section in await rig.source().describe(row.ref)}
    assert [line[:2] for line in sections["Platforms"].table[1:]] == [
        ("linux/arm64", arm.manifest.digest), ("linux/amd64", amd.manifest.digest)
    ]  # fmt: skip


async def test_without_repos_the_catalog_says_what_there_is(rig: Rig) -> None:
    await rig.push(rig.image("one"), "v1")
    await rig.push(rig.image("one", rig.other), "v9", "v10", "latest")
    found = [row.name for row in (await tags(rig.source(repos=()))).values() if row.repository.startswith("qd")]
    mine = [name for name in found if name.startswith((rig.repository, rig.other))]
    assert mine == [f"{rig.repository}:v1", *(f"{rig.other}:{tag}" for tag in ("latest", "v10", "v9"))]


async def test_a_repository_that_is_not_there_is_said(rig: Rig) -> None:
    listing = await rig.source(repos=(rig.repository, "qd/nobody")).list("tag")
    assert listing.rows == []
    assert "qd/nobody: no such repository" in listing.partial


async def test_details_of_a_tag(rig: Rig) -> None:
    image = rig.image("one", labels={**LABELS, "api.token": "hunter22"}, cmd=["serve", "--password", "hunter22"])
    await rig.push(image, "v1")
    source = rig.source()
    assert isinstance(source, Describes)
    sections = {section.title: section for section in await source.describe(ref(rig.repository, "v1"))}
    assert list(sections) == ["Overview", "Labels", "Layers", "History", "Manifest"]
    overview = dict(sections["Overview"].fields)
    assert (overview["digest"], overview["platforms"]) == (image.manifest.digest, "linux/amd64")
    assert "hunter22" not in str(sections.values())
    assert sections["Layers"].table[1][0] == image.layers[0].digest
    assert sections["History"].table[1][1].startswith("COPY layer-0")
    assert json.loads(sections["Manifest"].text) == json.loads(image.manifest.data)
    for gone in (ref(rig.repository, "v2"), Ref("reg", "tag", "UPPER:x"), Ref("other", "tag", "a:b")):
        with pytest.raises(NotFound):
            await source.describe(gone)
    with pytest.raises(Unsupported):
        await source.list("image")


async def test_a_copy_is_previewed_journalled_and_verified(rig: Rig, tmp_path: Path) -> None:
    digest = await rig.push(rig.image("one"), "v1")
    source = rig.source()
    assert isinstance(source, Source)
    assert isinstance(source, Acts)
    async with desk(source, tmp_path) as at:
        preview = await at.preview("tag.copy", ref(rig.repository, "v1"), to="stable")
        assert [step.call for step in preview.steps] == [
            "GET manifest", f"PUT /v2/{rig.repository}/manifests/stable"
        ]  # fmt: skip
        assert (preview.before, preview.after, preview.warnings) == ("no such tag", digest, ())
        assert (preview.inverse, bool(preview.why_no_inverse)) == (None, True)
        result = await at.operator.perform(preview)
        assert result.result == "SUCCEEDED", result.message
        assert await at.phases() == [("intent", ""), ("outcome", "SUCCEEDED")]
    assert (await tags(source))[f"{rig.repository}:stable"].digest == digest


async def test_a_copy_over_a_tag_warns_and_can_be_put_back(rig: Rig, tmp_path: Path) -> None:
    old, new = await rig.push(rig.image("old"), "stable"), await rig.push(rig.image("new"), "v2")
    source = rig.source()
    async with desk(source, tmp_path) as at:
        preview = await at.preview("tag.copy", ref(rig.repository, "v2"), to="stable")
        assert "is overwritten" in preview.warnings[0]
        assert (preview.before, preview.after) == (old, new)
        assert (await at.operator.perform(preview)).result == "SUCCEEDED"
        assert (await tags(source))[f"{rig.repository}:stable"].digest == new
        verb, args = preview.inverse
        back = await at.preview(verb, preview.ref, **args)
        assert (back.before, back.after) == (new, old)
        assert (await at.operator.perform(back)).result == "SUCCEEDED"
        assert (await tags(source))[f"{rig.repository}:stable"].digest == old
        same = await at.preview("tag.copy", ref(rig.repository, "v2"), to=f"{rig.host}/{rig.repository}:v3")
        assert (await at.operator.perform(same)).result == "SUCCEEDED"
        nothing = await at.preview("tag.copy", ref(rig.repository, "v2"), to="v3")
        assert "nothing would change" in nothing.warnings[0]


@pytest.mark.parametrize("index", [False, True])
async def test_a_copy_to_another_repository_links_the_blobs_first(rig: Rig, tmp_path: Path, index: bool) -> None:
    if index:
        digest = await rig.push_index("v1", rig.image("arm"), rig.image("amd"))
    else:
        digest = await rig.push(rig.image("one"), "v1")
    source = rig.source(repos=(rig.repository, rig.other))
    async with desk(source, tmp_path) as at:
        preview = await at.preview("tag.copy", ref(rig.repository, "v1"), to=f"{rig.other}:released")
        mounts = [step for step in preview.steps if step.detail.startswith("mount=")]
        puts = [step for step in preview.steps if step.call.startswith("PUT")]
        assert (len(mounts), len(puts)) == ((4, 3) if index else (2, 1))
        result = await at.operator.perform(preview)
        assert result.result == "SUCCEEDED", result.message
    row = (await tags(source))[f"{rig.other}:released"]
    assert (row.digest, row.labels) == (digest, LABELS)


async def test_a_copy_is_not_sent_when_either_tag_moved(rig: Rig, tmp_path: Path) -> None:
    old = await rig.push(rig.image("old"), "v1", "stable")
    source = rig.source()
    async with desk(source, tmp_path) as at:
        preview = await at.preview("tag.copy", ref(rig.repository, "v1"), to="new")
        moved = await rig.push(rig.image("moved"), "v1")
        result = await at.operator.perform(preview)
        assert (result.result, type(result.error)) == ("FAILED", Conflict)
        assert f"{rig.repository}:v1 moved" in result.message
        preview = await at.preview("tag.copy", ref(rig.repository, "v1"), to="stable")
        assert (preview.before, preview.after) == (old, moved)
        other = await rig.push(rig.image("other"), "stable")
        result = await at.operator.perform(preview)
        assert (result.result, type(result.error)) == ("FAILED", Conflict)
        assert f"{rig.repository}:stable moved" in result.message
        assert (await tags(source))[f"{rig.repository}:stable"].digest == other
        assert [phase for phase, _ in await at.phases()] == ["intent", "outcome"] * 2


@pytest.mark.parametrize(
    ("to", "error"),
    [
        ("v1", Conflict), ("", Refused), ("UPPER/x:y", Conflict), ("a b", Conflict), ("other/name", Conflict),
        ("../../x:y", Conflict), ("x@sha256:" + "0" * 64, Conflict), ("ghcr.io/a/b:c", Unsupported),
        ("localhost:1/a:b", Unsupported), ("-x", Conflict), ("x" * 129, Conflict), ("\x1b[2J", Conflict),
    ],
)  # fmt: skip
async def test_what_is_no_target_is_refused(rig: Rig, tmp_path: Path, to: str, error: type[Exception]) -> None:
    await rig.push(rig.image("one"), "v1")
    async with desk(rig.source(), tmp_path) as at:
        with pytest.raises(error):
            await at.preview("tag.copy", ref(rig.repository, "v1"), to=to)
        assert await at.phases() == [("refused", error.word)]  # type: ignore[attr-defined]


async def test_nothing_is_written_without_a_permit(rig: Rig) -> None:
    digest = await rig.push(rig.image("one"), "v1")
    source = rig.source()
    for verb, args in (("tag.copy", {"to": "v2"}), ("tag.delete", {})):
        action = source.actions[verb]
        preview = await action.preview(ref(rig.repository, "v1"), args)
        with pytest.raises(Refused):
            await action.execute(preview)
        with permit("another"), pytest.raises(Refused):
            await action.execute(preview)
    assert {row.digest for row in (await tags(source)).values()} == {digest}


async def test_a_delete_lists_and_takes_every_tag_on_the_digest(rig: Rig, tmp_path: Path) -> None:
    digest = await rig.push(rig.image("one"), "v1", "v1.0", "latest")
    await rig.push(rig.image("two"), "v2")
    source = rig.source()
    async with desk(source, tmp_path) as at:
        preview = await at.preview("tag.delete", ref(rig.repository, "v1"))
        assert preview.impact == tuple(f"{rig.repository}:{tag} is gone" for tag in ("latest", "v1.0", "v1"))
        assert preview.steps[0].call == f"DELETE /v2/{rig.repository}/manifests/{digest}"
        assert "3 tags" in preview.warnings[0]
        assert (preview.inverse, "push the image again" in preview.why_no_inverse) == (None, True)
        result = await at.operator.perform(preview)
        assert result.result == "SUCCEEDED", result.message
        assert await at.phases() == [("intent", ""), ("outcome", "SUCCEEDED")]
        again = await at.operator.perform(preview)
        assert (again.result, type(again.error)) == ("FAILED", NotFound)
    assert set(await tags(source)) == {f"{rig.repository}:v2"}


async def test_a_delete_is_not_sent_when_the_tags_are_others(rig: Rig, tmp_path: Path) -> None:
    image = rig.image("one")
    digest = await rig.push(image, "v1")
    source = rig.source()
    async with desk(source, tmp_path) as at:
        preview = await at.preview("tag.delete", ref(rig.repository, "v1"))
        await rig.push(image, "also")
        result = await at.operator.perform(preview)
        assert (result.result, type(result.error)) == ("FAILED", Conflict)
        preview = await at.preview("tag.delete", ref(rig.repository, "v1"))
        await rig.push(rig.image("two"), "v1")
        result = await at.operator.perform(preview)
        assert (result.result, type(result.error)) == ("FAILED", Conflict)
    assert (await tags(source))[f"{rig.repository}:also"].digest == digest


async def test_a_delete_of_a_part_of_an_index_says_which_tag_it_breaks(rig: Rig, tmp_path: Path) -> None:
    arm, amd = rig.image("arm"), rig.image("amd")
    await rig.push_index("multi", arm, amd)
    await rig.put(rig.repository, "only-arm", arm.manifest)
    async with desk(rig.source(), tmp_path) as at:
        preview = await at.preview("tag.delete", ref(rig.repository, "only-arm"))
    assert preview.warnings == (f"a part of {rig.repository}:multi, which would be broken",)


async def test_the_probe_says_what_it_is(rig: Rig) -> None:
    probe = await rig.source().probe()
    assert (probe.version, probe.identity) == ("registry/2.0", f"registry {rig.host}")
    assert probe.can == {"tag.delete": None}
