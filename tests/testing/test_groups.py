"""Tests that share something costly are run by one worker."""

import pytest


@pytest.mark.xdist_group("together")
def test_a_group_is_told_to_xdist(request: pytest.FixtureRequest) -> None:
    """It goes by the ending of the id, whatever pytest makes of that."""
    in_groups = bool(request.config.getoption("loadgroup", False))
    assert request.node.nodeid.endswith("@together") is in_groups
