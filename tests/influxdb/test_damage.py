"""Any damage ends in a typed error with its place, or in data whose oddities are named; never in anything else."""

from __future__ import annotations

import os
import random
import subprocess
import sys
from pathlib import Path

import pytest
from google.protobuf.message import DecodeError

from etcdmeta.influxdb import Data, InfluxDataInvalid, Rule, decode, detect, encode_as_is
from etcdmeta.influxdb.data import (
    ContinuousQueryInfo,
    DatabaseInfo,
    NodeInfo,
    RetentionPolicyInfo,
    ShardGroupInfo,
    ShardInfo,
    SubscriptionInfo,
    UserInfo,
    UserPrivilege,
)
from etcdmeta.influxdb.schema import DataMessage
from tests.influxdb.damage import KINDS, judge, mutation, originals
from tests.influxdb.oracle import odd_in
from tests.influxdb.worlds import FIXTURES, NEGATIVE, PAIRS, verdicts

MUTATIONS = 300
"""The whole proof: ``scripts/damage --mutations 100000``."""
ROOT = Path(__file__).parents[2]


def test_mutations_of_every_fixture() -> None:
    """In a process of its own, whose memory nothing else has stretched before."""
    seed = os.environ.get("ETCDMETA_SEED", str(random.randrange(2**32)))
    print(f"ETCDMETA_SEED={seed}")
    command = [sys.executable, "-m", "tests.influxdb.damage", "--mutations", str(MUTATIONS), "--seed", seed]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=110)
    assert done.returncode == 0, done.stderr
    lines = (line.split(maxsplit=1) for line in done.stdout.splitlines()[1:])
    tally = {what: int(count) for count, what in lines}
    outcomes = ("refused: source", "refused: field", "odd, and refused", "odd, and taken", "not odd")
    assert sum(tally.get(outcome, 0) for outcome in outcomes) == MUTATIONS
    assert all(tally.get(outcome) for outcome in outcomes[1:])
    assert tally.keys() >= {name for name, _ in KINDS}


def test_all_that_influxdb_wrote_is_damaged() -> None:
    whole = originals()
    there = {str(path.relative_to(FIXTURES)) for path in FIXTURES.glob("v*/**/*") if path.is_file()}
    assert {original.name for original in whole} == {
        name for name in there if not name.endswith((".json", ".md", ".manifest"))
    }
    for original in whole:  # whose fields were found to the last byte
        top = [span for span in original.spans if span.parent is None]
        assert sum(span.end - span.start for span in top) == (len(original.blob) if original.spans else 0)


def test_a_mutation_can_be_had_again() -> None:
    whole = originals()
    assert [mutation(number, 1, whole) for number in (7, 8, 7)][::2] == [mutation(7, 1, whole)] * 2


@pytest.mark.parametrize("file", sorted(verdict["file"] for verdict in verdicts()))
def test_every_damaged_file_has_an_outcome(file: str) -> None:
    blob = (NEGATIVE / file).read_bytes()
    outcome = judge(blob)
    if file.startswith("odd-"):
        assert outcome == ("odd, and refused" if file.removesuffix(".bin") in REFUSED else "odd, and taken")
    elif file.endswith("-backup-file.bin"):
        assert detect(blob).decode()  # InfluxDB's decoder of `Data` does not unwrap
    elif not file.startswith("bitflip"):
        assert outcome == ("refused: source" if file == "empty.bin" else "refused: field")


REFUSED = {
    "odd-duplicate-database": Rule.DUPLICATE_SHARD_ID,
    "odd-duplicate-shard-id": Rule.DUPLICATE_SHARD_ID,
    "odd-overlapping-groups": Rule.DUPLICATE_SHARD_ID,
    "odd-start-after-end": Rule.START_AFTER_END,
    "odd-empty-names": Rule.EMPTY_USER,
}
"""What InfluxDB takes and an import refuses, and the first reason. README has the list."""


@pytest.mark.parametrize(("file", "rule"), sorted(REFUSED.items()))
def test_what_an_import_refuses_though_influxdb_takes_it(file: str, rule: Rule) -> None:
    assert rule in odd_in(decode((NEGATIVE / f"{file}.bin").read_bytes()))


def test_an_oddity_that_nobody_names_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each of the rules, by taking it away: else a judge that sees nothing would do."""
    from tests.influxdb import damage

    class Blind(dict):
        def __init__(self, counts: dict[Rule, int], rule: Rule) -> None:
            super().__init__({r: n for r, n in counts.items() if r is not rule})

    blob = encode_as_is(ODD)
    assert odd_in(ODD) == set(Rule) - {Rule.UNUSUAL_NAME}  # which is model.names' to judge
    really = damage.arrive
    for rule in odd_in(ODD):

        def arrive(*args: object, rule: Rule = rule, **kwargs: object) -> object:
            arrival = really(*args, **kwargs)  # type: ignore[arg-type]
            arrival.oddities.counts = Blind(arrival.oddities.counts, rule)
            return arrival

        monkeypatch.setattr(damage, "arrive", arrive)
        with pytest.raises(AssertionError, match=rule.value):
            judge(blob)
    monkeypatch.setattr(damage, "arrive", really)
    assert judge(blob) == "odd, and refused"


def _group(group_id: int, start: int, end: int, *shards: ShardInfo) -> ShardGroupInfo:
    return ShardGroupInfo(group_id, start, end, 0, None, shards)


_POLICIES = (
    RetentionPolicyInfo("", -1, 0, 0),
    RetentionPolicyInfo(
        "p",
        0,
        0,
        1,
        (
            _group(1, 0, 10, ShardInfo(1, (), (7, 7)), ShardInfo(1, (5,), (6,)), ShardInfo(0, (), ())),
            _group(1, 5, 20, ShardInfo(2, (), (1,))),
            _group(3, 30, 25, ShardInfo(3, (), (1,))),
            _group(4, -(2**63), 40),
        ),
        (SubscriptionInfo("s", "SOME", ("\udcff",)), SubscriptionInfo("s", "ANY", ("http://u:p@h:1",))),
    ),
)
_QUERIES = (ContinuousQueryInfo("\udcfe", "SELECT"), ContinuousQueryInfo("", ""))
ODD = Data(
    nodes=(NodeInfo(1, "a:1"), NodeInfo(1, "b:1")),
    meta_nodes=(NodeInfo(9, "c:1"),),
    databases=(DatabaseInfo("d", "gone", _POLICIES, _QUERIES),),
    users=(
        UserInfo("", b"x", False, (UserPrivilege("d", 9), UserPrivilege("d", 1), UserPrivilege("gone", 1))),
        UserInfo("u", b"x"),
        UserInfo("u", b"x"),
    ),
    max_shard_id=2**63,
)
"""All at once."""


@pytest.mark.parametrize("path", [path for path, _ in PAIRS if path.name == "small.bin"], ids=str)
def test_every_cut_is_refused(path: Path) -> None:
    """Every version writes MaxShardID, or something required, last: no beginning of a file is whole."""
    raw = path.read_bytes()
    for size in range(len(raw)):
        if size and "v0.10.0" in str(path) and _is_whole(raw[:size]):
            continue  # 0.10 writes its nodes behind the last required field
        with pytest.raises(InfluxDataInvalid):
            decode(raw[:size])


def _is_whole(raw: bytes) -> bool:
    try:
        return bool(DataMessage.FromString(raw).IsInitialized())
    except DecodeError:
        return False
