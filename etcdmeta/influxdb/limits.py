"""How much metadata is taken from outside. What is larger is refused before it costs memory.

etcdmeta is measured with 100,000 shard groups (3 owners each: about 5 MB in InfluxDB's encoding). The limits are ten
times that and more, so that they meet only what is no metadata, or is meant to harm.
"""

from __future__ import annotations

from typing import Final

MAX_BYTES: Final = 256 << 20
"""Of one `Data` message. A million groups with three owners are about 50 MB."""

MAX_GROUPS: Final = 1_000_000
MAX_MESSAGES: Final = 8_000_000
"""Messages of all kinds within one `Data`: each group with a shard and six owners."""

MAX_LIST: Final = 100_000
"""Entries of one list that is not of groups, databases or policies: nodes, owners of a shard, destinations. Counted, as
`MAX_MESSAGES`, only in input that is not trusted; see `TRUSTED_MEMORY`."""

MAX_DEPTH: Final = 100
"""Messages, and unknown groups (wire type 3), within each other: where protobuf's runtime stops. InfluxDB has five
levels, and no groups."""

TRUSTED_BYTES: Final = 8 << 20
TRUSTED_MEMORY: Final = 512 << 20
"""Protobuf's runtime turns two bytes of input into about `MESSAGE_MEMORY`. Input up to `TRUSTED_BYTES` cannot do
harm with that; of larger input, the most that it could take is reckoned first, and where that exceeds
`TRUSTED_MEMORY`, our own reader, which keeps nothing, counts before the runtime may begin."""
MESSAGE_MEMORY: Final = 96

MAX_NOTES: Final = 1_000
"""Oddities of the encoding that are listed one by one; more are only counted."""
