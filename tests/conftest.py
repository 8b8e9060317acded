import gc

pytest_plugins = ["etcdmeta.testing.plugin"]

# A collection that begins while gRPC makes a call may find another channel of gRPC's, whose __del__ closes it and waits
# for a lock: one whole run hung so for good (grpcio 1.85, `_ChannelCallState.__del__` below `integrated_call`). Seventy
# times fewer collections meet it that much less often; what becomes garbage at once goes by its count of references.
gc.set_threshold(50_000, 20, 20)
