"""Test on the real structure: fresh copies of a database that the revisions made, at the speed of a copy."""

from .comparing import assert_models_match_revisions

__all__ = ["assert_models_match_revisions"]
