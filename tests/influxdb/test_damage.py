"""Any damage ends in a typed error with its place, or in data whose oddities are named; never in anything else."""

from __future__ import annotations

import os
import random
import time

import pytest
from google.protobuf.message import DecodeError

from etcdmeta.influxdb import InfluxDataInvalid, SourceUnreadable, arrive, decode, detect, encode_as_is, encoding_notes
from etcdmeta.influxdb.schema import DataMessage
from etcdmeta.influxdb.walking import walk
from tests.influxdb.worlds import FIXTURES, PAIRS

MUTATIONS = int(os.environ.get("ETCDMETA_MUTATIONS", "2000"))
"""The whole proof: ETCDMETA_MUTATIONS=100000 (and ETCDMETA_SEED=N for the same again)."""

BOUND = 5.0
"""Seconds of CPU for one file of at most 50 KB: a bound, three orders above what it takes."""


def test_mutations_of_every_fixture() -> None:
    from tests.influxdb.worlds import mutations

    seed = int(os.environ.get("ETCDMETA_SEED", random.randrange(2**32)))
    print(f"ETCDMETA_SEED={seed}")
    # The large ones differ from the others in their number of groups only.
    originals = [path.read_bytes() for path, _ in PAIRS if path.stat().st_size < 30_000]
    originals += [path.read_bytes() for path in FIXTURES.glob("v0.9-server*/fetchdata-response.bin")]
    originals += [path.read_bytes() for path in FIXTURES.glob("v1.6/backup-*/*meta*")]
    source = mutations([original for original in originals if len(original) > 12], random.Random(seed))
    read = 0
    for number in range(MUTATIONS):
        kind, blob = next(source)
        begun = time.process_time()
        read += _judge(blob, f"mutation {number} ({kind}) of ETCDMETA_SEED={seed}")
        assert time.process_time() - begun < BOUND
    assert 0 < read < MUTATIONS  # both outcomes were met


def _is_placed(invalid: InfluxDataInvalid, size: int, what: str) -> bool:
    assert 0 <= invalid.offset <= size, what
    assert "please report" not in str(invalid.remedy), what  # our own reader saw it, too
    return False


def _judge(blob: bytes, what: str) -> bool:
    try:
        source = detect(blob)
        data = source.decode()
    except SourceUnreadable:
        return False
    except InfluxDataInvalid as invalid:
        return _is_placed(invalid, len(blob), what)
    notes = encoding_notes(source.data, base=source.offset)
    assert walk(source.data, base=source.offset).notes == notes.notes or not notes.notes, what
    arrival = arrive(data, now=1)
    assert decode(encode_as_is(data)) == data, what
    assert arrival.highest_shard >= 0
    return True


@pytest.mark.parametrize("path", [path for path, _ in PAIRS if path.name == "small.bin"], ids=str)
def test_every_cut_is_refused(path) -> None:
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
