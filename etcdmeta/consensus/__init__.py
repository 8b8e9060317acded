"""Floor 4: whoever keeps the records safe and in order, behind one protocol.

`protocol.Strategy` has what is asked of it: read, list, watch, transact, leases; with outcomes that are definite or
`Ambiguous`. Its kinds are `etcd` (a real cluster) and `local` (one process, in memory, for embedding and tests);
one conformance suite holds both to the same words. It moves keys and bytes and knows nothing of what they mean, never
sends a transaction twice, and no floor below knows of it.
"""
