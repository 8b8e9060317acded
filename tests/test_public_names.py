"""The public surface: what users can import, and the tree of errors they catch. A change here is a change for them."""

from __future__ import annotations

import re
import subprocess
import sys

import etcdmeta
import etcdmeta.testing
from etcdmeta import errors

PUBLIC = {
    "Change",
    "Duration",
    "Freshness",
    "HistoryEntry",
    "Lagged",
    "MetaStore",
    "Outcome",
    "Position",
    "Snapshot",
    "errors",
    "new_operation_id",
}
TESTING = {"LocalCluster", "LocalStrategy", "Proxy", "Seen", "local_store"}
FIXTURES = {
    "etcd_binaries",
    "etcd_cluster",
    "etcd_cluster_factory",
    "etcd_prefix",
    "etcd_store",
    "meta_store",
    "proxy_factory",
    "rng",
    "seed",
}


def test_the_package() -> None:
    assert set(etcdmeta.__all__) == PUBLIC
    assert len(etcdmeta.__all__) == len(PUBLIC)
    for name in PUBLIC:
        assert getattr(etcdmeta, name) is not None
    assert set(dir(etcdmeta)) == PUBLIC | {"__version__"}


def test_the_testing_package() -> None:
    assert set(etcdmeta.testing.__all__) == TESTING
    for name in TESTING:
        assert getattr(etcdmeta.testing, name) is not None


def test_the_fixtures() -> None:
    from etcdmeta.testing import plugin

    # pytest's own mark of a fixture; asked for by name, since its class has no public one.
    found = {name for name, value in vars(plugin).items() if "Fixture" in type(value).__name__}
    assert found == FIXTURES


def test_a_name_that_is_not_there_is_an_attribute_error() -> None:
    assert not hasattr(etcdmeta, "Metastore")


def test_importing_the_package_costs_nothing() -> None:
    code = (
        "import sys, etcdmeta, etcdmeta.errors;"
        "print([m for m in ('grpc', 'pydantic', 'google.protobuf', 'etcd3', 'typer', 'rich') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.strip() == "[]"


def test_the_metadata_in_memory_need_no_grpc() -> None:
    """Who embeds the local kind, or only asks snapshots, does not pay for the other."""
    code = "import sys, etcdmeta; etcdmeta.MetaStore.open('local://').close(); print('grpc' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.strip() == "False"


# --- the tree of errors


def drawn() -> dict[str, str]:
    """Class → parent, as the docstring of `errors` draws them."""
    parents: list[str] = []
    found: dict[str, str] = {}
    for line in (errors.__doc__ or "").splitlines():
        match = re.match(r"    ((?:│   |    )*)(?:[├└]── )(\w+)", line)
        if match:
            depth = len(match[1]) // 4 + 1
            parents = [*parents[:depth], match[2]]
            found[match[2]] = parents[depth - 1]
        elif line.strip() == "EtcdMetaError":
            parents = ["EtcdMetaError"]
    return found


def defined() -> dict[str, type[errors.EtcdMetaError]]:
    return {
        name: value
        for name, value in vars(errors).items()
        if isinstance(value, type) and issubclass(value, errors.EtcdMetaError) and value is not errors.EtcdMetaError
    }


def test_the_tree_in_the_docstring_is_the_real_one() -> None:
    assert {name: value.__bases__[0].__name__ for name, value in defined().items()} == drawn()


def test_second_parents_are_said() -> None:
    """``except ValueError`` catches what the docstring says it does."""
    said = set(re.findall(r"(\w+) \(also (\w+)\)", errors.__doc__ or ""))
    real = {(name, base.__name__) for name, value in defined().items() for base in value.__bases__[1:]}
    assert said == real


def test_reasons_are_the_machines_words_and_unique() -> None:
    reasons = {value.reason for value in defined().values()}
    assert len(reasons) == len(defined())
    assert errors.DatabaseNotFound.reason == "DATABASE_NOT_FOUND"
    assert all(re.fullmatch(r"[A-Z_]+", reason) for reason in reasons)


def test_every_error_says_value_rule_and_way_out() -> None:
    for name, value in defined().items():
        extra = {"operation_id": "an id"} if name == "OutcomeUnknown" else {}
        error = value("what was wrong", value=7, rule="the rule", remedy="the way out", **extra)
        assert str(error) == "what was wrong; the rule; the way out"
        assert (error.value, error.rule, error.remedy) == (7, "the rule", "the way out")
