"""Damage is taken, refused and read as a real server of 1.6 does it."""

from __future__ import annotations

import os
import random
from collections import Counter
from collections.abc import Callable

import pytest

from etcdmeta.influxdb import Dialect, InfluxDataInvalid, decode, encoding_notes, for_dialect
from tests.influxdb.damage import mutation, originals
from tests.influxdb_server.holding import comparable, stored
from tests.influxdb_server.server import DidNotStart, InfluxServer

pytestmark = pytest.mark.xdist_group("influxdb-server")

MUTATIONS = int(os.environ.get("ETCDMETA_MUTATIONS", "60"))
"""Each is a start of the server. ETCDMETA_MUTATIONS=3000 was tried, too, and ETCDMETA_SEED=N is the same again."""


def test_damage_is_judged_and_read_as_by_a_real_server(start_server: Callable[..., InfluxServer]) -> None:
    """Of the bytes alone: what is odd in what they say, 1.6 does not ask."""
    seed = int(os.environ.get("ETCDMETA_SEED", random.randrange(2**32)))
    print(f"ETCDMETA_SEED={seed}")
    whole = originals()
    taken: Counter[bool] = Counter()
    for number in range(MUTATIONS):
        what, blob = mutation(number, seed, whole)
        try:
            ours = decode(blob)
        except InfluxDataInvalid as invalid:
            print(f"mutation {number} ({what}): {invalid}")
            with pytest.raises(DidNotStart, match=r"proto: |unexpected EOF"):
                start_server(meta=blob)
            taken[False] += 1
            continue
        try:
            server = start_server(meta=blob)
        except DidNotStart:
            # The one difference: a tenth byte of a number that goes beyond 64 bits. Protobuf's runtime drops what is
            # too much, and so do we; it is named, and --strict refuses it.
            assert any("more than 64 bits" in note.what for note in encoding_notes(blob).notes), what
            continue
        assert comparable(stored(server)) == comparable(for_dialect(ours, Dialect.V1)), f"mutation {number} ({what})"
        server.stop()
        taken[True] += 1
    print(taken)
    assert taken[True]
    assert taken[False]
