"""AWS's models as they are kept: whole, but of the endpoints only what is called."""

from __future__ import annotations

from pathlib import Path

import botocore
import botocore.session
import pytest
from botocore.loaders import JSONFileLoader

from adapters.awsrig import API, TOGETHER, rig, runs_of, the_story
from quarterdeck_adapters.codepipeline import client
from quarterdeck_adapters.codepipeline.models import SERVICES, Files

pytestmark = TOGETHER
DATA = Path(botocore.__file__).parent / "data"
CALLED = ("codepipeline", "codebuild", "logs", "sts", "sso", "sso-oidc")


def _session() -> botocore.session.Session:
    session = botocore.session.Session()
    session.set_credentials("key", "secret")
    return session


def test_of_the_endpoints_only_those_of_called_services_are_kept() -> None:
    kept = Files().load_file(str(DATA / "endpoints"))
    given = JSONFileLoader().load_file(str(DATA / "endpoints"))
    assert len(given["partitions"][0]["services"]) > 100
    assert kept.keys() == given.keys()
    for mine, theirs in zip(kept["partitions"], given["partitions"], strict=True):
        assert mine["services"].keys() <= SERVICES
        named = {name: value for name, value in theirs["services"].items() if name in SERVICES}
        assert mine == {**theirs, "services": named}


@pytest.mark.parametrize("name", ["codepipeline", "codebuild", "logs", "sts"])
def test_models_are_botocores(name: str) -> None:
    for found in DATA.glob(f"{name}/*/*.json*"):
        path = str(found.parent / found.name.split(".")[0])
        assert Files().exists(path)
        assert Files().load_file(path) == JSONFileLoader().load_file(path)
    assert not Files().exists(str(DATA / name / "none"))
    assert Files().load_file(str(DATA / name / "none")) is None


def test_addresses_are_botocores() -> None:
    mine, theirs = _session(), _session()
    mine.get_component("data_loader").file_loader = Files()
    for region in ("eu-west-1", "us-gov-west-1", "cn-north-1", "eu-west-99"):
        for name in CALLED:
            made = [session.create_client(name, region).meta.endpoint_url for session in (mine, theirs)]
            assert made[0] == made[1], (name, region)


async def test_a_source_reads_models_by_it() -> None:
    async with rig(the_story()) as made:
        assert await runs_of(made.source(repos=(API,)))
    kept = client._shared_loader[0].load_data("endpoints")
    assert all(partition["services"].keys() <= SERVICES for partition in kept["partitions"])
