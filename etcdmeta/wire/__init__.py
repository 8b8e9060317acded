"""Floor 3: how what callers and agents say to each other is written: bytes and messages, no I/O.

`positions` (where a caller stands), `commands` (what is to be done), `failures` (why it was not), each in both
directions; the messages themselves are generated from ``schemas/etcdmeta/agent/v1`` into `pb`. Whatever bytes come in,
nothing but a typed error comes out.
"""
