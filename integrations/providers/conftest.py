"""For the tests of all providers."""

from tests.sandboxes import sandbox

__all__ = ["sandbox"]
