"""What keeps strangers on the port from costing more than they may: gRPC's options, and open files.

gRPC ignores options that it does not know, so each one here was tried with grpcio 1.85, and tests/agent/test_garbage.py
fails without those that it can see.
"""

from __future__ import annotations

import logging
import resource

_log = logging.getLogger("etcdmeta.agent")

MAX_CONNECTIONS = 4096
"""What is accepted; the next are closed at once. Twice the streams that an agent serves, should each have its own."""

HANDSHAKE_SECONDS = 10.0
"""From the connection to TLS and HTTP/2's first SETTINGS. Half-open connections and those that send a byte now and
then end here; a busy machine needs a second. gRPC's default is two minutes."""

IDLE_SECONDS = 300.0
"""A connection without a call is asked to leave; clients come back by themselves when they need one."""

_FILES_BESIDE = 256  # etcd, the cache file, metrics, logs, libraries


def server_options(
    *,
    handshake: float = HANDSHAKE_SECONDS,
    idle: float = IDLE_SECONDS,
    connections: int = MAX_CONNECTIONS,
) -> tuple[tuple[str, int], ...]:
    """Options of a gRPC server. Times are in seconds."""
    return (
        ("grpc.server_handshake_timeout_ms", round(handshake * 1000)),
        ("grpc.max_connection_idle_ms", round(idle * 1000)),
        ("grpc.max_allowed_incoming_connections", connections),
        # Per connection. Above the streams that one client may have, so that it hears of those by our own error.
        ("grpc.max_concurrent_streams", 1024),
        # A client that is gone without a word: its streams end after 30 + 10 s.
        ("grpc.keepalive_time_ms", 30_000),
        ("grpc.keepalive_timeout_ms", 10_000),
        ("grpc.http2.ping_timeout_ms", 10_000),
        ("grpc.keepalive_permit_without_calls", 1),
        # Our clients ping every 5 s, in a blocking Fetch without any data between; the default allows one in 5 minutes
        # and says GOAWAY too_many_pings. The name with "recv" in it, which is often told, is not known to gRPC.
        ("grpc.http2.min_ping_interval_without_data_ms", 1000),
        # Two agents on one port would each get half of the calls.
        ("grpc.so_reuseport", 0),
    )


SERVER_OPTIONS = server_options()


def raise_open_files(wanted: int = MAX_CONNECTIONS + _FILES_BESIDE) -> int:
    """Let this process open that many files, as far as its hard limit goes; how many it may now.

    With fewer, gRPC leaves new connections waiting until others end, and says so every second. Never lowers.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY or soft >= wanted:
        return wanted if soft == resource.RLIM_INFINITY else soft
    reachable = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    if reachable > soft:
        resource.setrlimit(resource.RLIMIT_NOFILE, (reachable, hard))
    if reachable < wanted:
        _log.warning(
            "this process may open %d files, and an agent wants %d: with many clients new ones will wait; "
            "raise LimitNOFILE= in the unit file, or ulimit -n",
            reachable,
            wanted,
        )
    return reachable
