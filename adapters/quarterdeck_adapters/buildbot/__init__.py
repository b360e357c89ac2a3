"""Buildbot: builds, the requests that wait for one, their steps and logs (https://docs.buildbot.net/latest/)."""
