"""What an agent takes on; past each limit a caller gets an error of its own."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Limits:
    """Bytes, counts, and seconds."""

    max_request_bytes: int = 4 * 2**20
    """A larger request is `MessageTooLarge`; one of more than twice as much gRPC itself refuses."""
    receive: float = 20.0
    """For a request to arrive whole, once its call has begun: who sends a byte now and then is not waited for."""
    max_streams: int = 2000
    """Watches and fetches, of all clients."""
    max_streams_per_client: int = 600
    """Of one certificate's name; without certificates, of one address."""
    max_requests: int = 64
    """In flight: everything that is no stream."""
    max_deadline: float = 3600.0
    piece_bytes: int = 2**20
    """Of one message of a picture, or of what a watch has to catch up with."""
    log_bytes: int = 16 * 2**20
    """Of the revisions kept for who comes late."""
    log_entries: int = 8192
    combine: float = 0.01
    """How long what happens is gathered before the watches are woken. With a few of them nothing is gathered: it is
    the number of messages that costs."""
    heartbeat: float = 1.0
    """Of silence on a watch."""
    patience: float = 2.0
    """For a picture behind its caller, where etcd cannot be asked."""
    catch_up: float = 10.0
    """For a picture behind its caller, where etcd says that it is."""
