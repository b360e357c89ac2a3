"""Buildbot: builds, the requests that wait for one, their steps and logs (https://docs.buildbot.net/latest/)."""

from quarterdeck_adapters.buildbot.adapter import BuildbotSource
from quarterdeck_adapters.buildbot.discovery import discover

__all__ = ["BuildbotSource", "discover"]
