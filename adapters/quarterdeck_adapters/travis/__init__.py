"""Travis CI as a source of builds."""

from quarterdeck_adapters.travis.adapter import TravisSource

__all__ = ["TravisSource"]
