"""The pytest fixtures, as a user's own tests get them: the examples of the plugin's docstring are run."""

from __future__ import annotations

import re
import textwrap

import pytest

import etcdmeta.testing
from etcdmeta.testing import plugin

pytest_plugins = ["pytester"]


def examples(text: str | None) -> list[str]:
    """The indented blocks that follow ``::``."""
    return [textwrap.dedent(block) for block in re.findall(r"::\n\n((?:    .*\n|\n)+)", text or "")]


@pytest.fixture
def project(pytester: pytest.Pytester) -> pytest.Pytester:
    """A user's folder with the conftest of the docstring."""
    conftest, _ = examples(plugin.__doc__)
    pytester.makeconftest(conftest)
    return pytester


def test_the_examples_of_the_docstring(project: pytest.Pytester) -> None:
    project.makepyfile(examples(plugin.__doc__)[1])
    project.runpytest_subprocess("-p", "no:cacheprovider").assert_outcomes(passed=2)


def test_the_example_of_the_package(project: pytest.Pytester) -> None:
    (example,) = examples(etcdmeta.testing.__doc__)
    project.makepyfile(example)
    project.runpytest_subprocess("-p", "no:cacheprovider").assert_outcomes(passed=1)


def test_every_test_has_a_store_of_its_own(project: pytest.Pytester) -> None:
    project.makepyfile(
        """
        import threading

        import pytest

        SEEN = []

        @pytest.mark.parametrize("turn", [1, 2])
        @pytest.mark.parametrize("kind", ["meta_store", "etcd_store"])
        def test_store(request, kind, turn):
            store = request.getfixturevalue(kind)
            assert store.snapshot().cluster is not None
            assert store.snapshot().nodes() == store.snapshot().databases() == ()
            store.add_node("db-1:8088")
            store.create_database("metrics")
            SEEN.append((kind, store.cluster_name, store))

        def test_they_were_different_and_are_closed(etcd_cluster, etcd_prefix):
            assert len({name for kind, name, _ in SEEN if kind == "etcd_store"} | {etcd_prefix}) == 3
            for _, _, store in SEEN:
                with pytest.raises(Exception, match="closed"):
                    store.snapshot()
            kept = etcd_cluster.etcdctl("get", "--prefix", "--keys-only", "/etcdmeta/")
            for kind, name, _ in SEEN:
                assert (f"/etcdmeta/{name}/state/cluster" in kept) == (kind == "etcd_store")
        """
    )
    project.runpytest_subprocess("-p", "no:cacheprovider").assert_outcomes(passed=5)


def test_a_seed_is_printed_and_taken_back(project: pytest.Pytester) -> None:
    project.makepyfile(
        """
        def test_chance(seed, rng):
            print("drew", rng.random())
            assert seed == 7
        """
    )
    failed = project.runpytest_subprocess("-p", "no:cacheprovider", "--seed=8")
    failed.assert_outcomes(failed=1)
    failed.stdout.fnmatch_lines(["seed 8: bring it back with --seed=8"])
    project.runpytest_subprocess("-p", "no:cacheprovider", "--seed=7").assert_outcomes(passed=1)


def test_the_report_says_which_etcd(project: pytest.Pytester) -> None:
    project.makepyfile("def test_nothing(): pass")
    project.runpytest_subprocess("-p", "no:cacheprovider").stdout.fnmatch_lines(["etcd *from*"])
