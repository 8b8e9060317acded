import pytest

pytest_plugins = ["etcdmeta.testing.plugin"]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """First what one worker does alone for minutes (containers, which mostly wait): else it is what all wait for."""
    items.sort(key=lambda item: item.get_closest_marker("xdist_group") is None)
