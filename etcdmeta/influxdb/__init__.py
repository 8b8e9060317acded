"""InfluxDB's own encoding of its metadata, read and written. Pure but for `asking`: bytes in, bytes out.

::

    source  = detect(blob)                  # what is it, and where in it are the metadata
    data    = source.decode()               # everything, as InfluxDB stores it
    arrival = arrive(data, now=…)           # as our records will say it, with what is odd and was repaired
    …
    departure = depart(snapshot, hashes=…, counters=…)
    blob      = encode(departure.data, Dialect.V1)

Damaged input is an `InfluxDataInvalid` with byte offset and path of the field. In what is taken and refused, the
reader agrees with InfluxDB's decoder of 1.6 on every file of `tests/influxdb/fixtures/negative`.
"""

from __future__ import annotations

from etcdmeta.influxdb.arriving import Arrival, arrive
from etcdmeta.influxdb.data import Data
from etcdmeta.influxdb.dialects import Dialect, Loss, for_dialect, likely_dialects, what_is_lost
from etcdmeta.influxdb.errors import DialectCannotHold, InfluxDataInvalid, InfluxDataTooLarge, SourceUnreadable
from etcdmeta.influxdb.handing_on import hand_on
from etcdmeta.influxdb.leaving import Counters, Departure, depart
from etcdmeta.influxdb.oddities import RULES, Oddity, Rule, Treatment
from etcdmeta.influxdb.reading import decode, encoding_notes
from etcdmeta.influxdb.sources import Source, SourceKind, detect
from etcdmeta.influxdb.writing import encode, encode_as_is

__all__ = [
    "RULES",
    "Arrival",
    "Counters",
    "Data",
    "Departure",
    "Dialect",
    "DialectCannotHold",
    "InfluxDataInvalid",
    "InfluxDataTooLarge",
    "Loss",
    "Oddity",
    "Rule",
    "Source",
    "SourceKind",
    "SourceUnreadable",
    "Treatment",
    "arrive",
    "decode",
    "depart",
    "detect",
    "encode",
    "encode_as_is",
    "encoding_notes",
    "for_dialect",
    "hand_on",
    "likely_dialects",
    "what_is_lost",
]
