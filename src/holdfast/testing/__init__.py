"""Tools for testing workflows: recorded ones against today's code."""

from holdfast.testing.replay import replay

__all__ = ["replay"]
