"""What agents say, as a follower's input; how their endpoints are written; what their failures mean."""

from __future__ import annotations

from typing import Any

import grpc
import pytest

from etcdmeta import errors
from etcdmeta.consensus.agent import parse_agents
from etcdmeta.consensus.agent.failures import from_execution, from_repeatable
from etcdmeta.consensus.agent.messages import News, cluster_of, encode_advice, is_picture
from etcdmeta.consensus.protocol import Ambiguous, Compacted, FutureRevision
from etcdmeta.records import keys
from etcdmeta.records.keys import Keyspace
from etcdmeta.records.transaction import Compare, DeleteRange, Put, Read, Relayed, Transaction
from etcdmeta.wire.failures import DETAILS_KEY, to_status
from etcdmeta.wire.pb import agent_pb2 as pb


def revision(number: int, *keys: bytes, joined: bool = False) -> pb.Revision:
    events = [pb.Event(kv=pb.Record(key=key, mod_revision=number)) for key in keys]
    return pb.Revision(revision=number, joined=joined, events=events)


def told(news: News, **fields: Any) -> list[tuple[int, list[bytes], bool, bool]]:
    """Header, keys, joined, created of what one message brings."""
    freshness = fields.pop("freshness", pb.Freshness(age=1.5, live=True))
    answers = list(news.decode(pb.WatchResponse(freshness=freshness, **fields)))
    assert all(isinstance(answer, Relayed) for answer in answers)
    return [(a.header.revision, [e.kv.key for e in a.events], a.joined, a.created) for a in answers]


def test_revisions_in_a_row_are_one_answer_and_a_joined_one_stands_alone() -> None:
    news = News(4)
    assert told(news, opened=True, revision=9) == [(4, [], False, True)]
    revisions = [revision(5, b"a"), revision(6, b"b", b"c"), revision(8, b"d", joined=True), revision(9, b"e")]
    assert told(news, revisions=revisions, revision=9) == [
        (6, [b"a", b"b", b"c"], False, False),
        (8, [b"d"], True, False),
        (9, [b"e"], False, False),
    ]
    assert told(news, revision=9) == [(9, [], False, False)]


def test_a_later_place_without_events_is_a_step_and_an_earlier_one_is_none() -> None:
    news = News(4)
    assert told(news, revision=7) == [(7, [], True, False)], "nothing happened up to there"
    assert told(news, revision=5) == [(7, [], False, False)], "another agent's picture is older, and has the same in it"
    assert told(news, revisions=[revision(8, b"a")], revision=10) == [(8, [b"a"], False, False), (10, [], True, False)]


def test_what_opens_a_watch_takes_nobody_past_what_is_still_to_come() -> None:
    news = News(4)
    assert told(news, opened=True, revision=9, revisions=[revision(5, b"a")]) == [
        (4, [], False, True),
        (5, [b"a"], False, False),
    ]
    assert told(news, revisions=[revision(6, b"b")], revision=6) == [(6, [b"b"], False, False)]


def test_how_old_it_is_comes_along() -> None:
    for freshness, expected in (
        (pb.Freshness(age=1.5, live=True), (1.5, True)),
        (pb.Freshness(age=0.0), (0.0, False)),
        (pb.Freshness(), (None, False)),
    ):
        message = pb.WatchResponse(opened=True, revisions=[revision(5, b"a")], freshness=freshness)
        assert {(answer.age, answer.live) for answer in News(4).decode(message)} == {expected}


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("agent://h1:8188,h2:8189", ["h1:8188", "h2:8189"]),
        ("agent://h1,h2", ["h1:8188", "h2:8188"]),
        ("agents://h1,h2:1", ["https://h1:8188", "https://h2:1"]),
        ("agent://h1,agents://h2", ["h1:8188", "https://h2:8188"]),
        (["h1:1", "https://h2:2"], ["h1:1", "https://h2:2"]),
        ("agent://[::1],[::2]:7/", ["[::1]:8188", "[::2]:7"]),
        ("agent://h1:1,h1:1", ["h1:1"]),
    ],
)
def test_how_agents_are_written(given: str | list[str], expected: list[str]) -> None:
    assert [str(endpoint) for endpoint in parse_agents(given)] == expected
    assert all(endpoint.tls for endpoint in parse_agents(given, secure=True))


@pytest.mark.parametrize("text", ["", "agent://", "agent://,", "ftp://h1", "agent://h 1", "agent://h1:", "h1:99999"])
def test_what_names_no_agents(text: str) -> None:
    with pytest.raises(errors.InvalidAddress) as caught:
        parse_agents(text)
    assert caught.value.value == text
    assert "8188" in (caught.value.remedy or "")


def test_keys_say_whose_they_are() -> None:
    keyspace = Keyspace("prod.eu-1")
    assert cluster_of(keyspace.absolute(b"ledger/x")) == "prod.eu-1"
    assert cluster_of(b"other/x") == ""
    assert is_picture(*keyspace.state_range)
    start, end = keyspace.state_range
    assert not is_picture(start, end + b"x")
    assert not is_picture(start + b"live/", start + b"live0")


def test_agents_commit_liveness_and_progress_key_by_key_and_nothing_else() -> None:
    absolute = Keyspace("prod").absolute
    live, record = absolute(b"state/live/1"), absolute(b"state/node/1")
    request = encode_advice(Transaction((Compare.absent(live),), (Put(live, b"x", 7),), (Read(live),)))
    assert request.cluster == "prod"
    assert (request.writes[0].kv.lease, list(request.reads)) == (7, [live])
    group = absolute(keys.group(1, 2, 0, 3))
    assert encode_advice(Transaction((Compare.modified(group, 5),), (Put(live, b""),))).compares[0].key == group
    for txn in (
        Transaction((), (Put(group, b""),)),
        Transaction((), (Put(live, b""),), (Read(group),)),
        Transaction((), (Put(record, b""),)),
        Transaction((Compare.absent(record),), (Put(live, b""),)),
        Transaction((), (Put(live, b""),), (Read(record),)),
        Transaction((), (DeleteRange(live, live + b"0"),)),
        Transaction((Compare.none_in(live, live + b"0"),), ()),
    ):
        with pytest.raises(errors.Defect):
            encode_advice(txn)


class Failure(grpc.RpcError):
    def __init__(self, code: grpc.StatusCode, details: str = "", trailer: bytes | None = None) -> None:
        self.code = lambda: code
        self.details = lambda: details
        self.trailing_metadata = lambda: () if trailer is None else ((DETAILS_KEY, trailer),)


def of(error: errors.EtcdMetaError) -> Failure:
    return Failure(grpc.StatusCode.UNKNOWN, error.message, to_status(error).SerializeToString())


@pytest.mark.parametrize("meaning", [from_repeatable, from_execution])
def test_what_the_agent_says_is_raised_as_it_is(meaning: Any) -> None:
    for error in (
        errors.DatabaseNotFound("gone", value="db"),
        errors.Unavailable("etcd is away"),
        errors.TooManyRequests("enough", value=64),
        errors.OutcomeUnknown("who knows", operation_id="id"),
        errors.Defect("broken"),
    ):
        known = meaning(of(error), "h:1")
        assert (type(known), known.message, known.value) == (type(error), error.message, error.value)
    assert type(meaning(of(errors.StoreClosed("closed")), "h:1")) is errors.Unavailable, "the agent's store, not ours"


def test_what_nobody_said_is_unknown_or_unavailable() -> None:
    code = grpc.StatusCode
    for failure in (
        Failure(code.UNAVAILABLE, "Socket closed"),
        Failure(code.DEADLINE_EXCEEDED),
        Failure(code.CANCELLED),
        Failure(code.INTERNAL, "RST_STREAM"),
        Failure(code.UNKNOWN, "x", b"\xff garbage"),
    ):
        assert isinstance(from_execution(failure, "h:1"), Ambiguous)
        unavailable = from_repeatable(failure, "h:1")
        assert type(unavailable) is errors.Unavailable
        assert "h:1" in unavailable.message
    refused = Failure(code.UNAVAILABLE, "failed to connect to all addresses; last error: x: Connection refused")
    assert type(from_execution(refused, "h:1")) is errors.Unavailable, "it was not sent"


@pytest.mark.parametrize("meaning", [from_repeatable, from_execution])
@pytest.mark.parametrize(
    ("code", "details", "kind"),
    [
        ("UNIMPLEMENTED", "Method not found!", errors.UnsupportedVersion),
        ("UNAVAILABLE", "Trying to connect an http1.x server", errors.UnsupportedVersion),
        ("RESOURCE_EXHAUSTED", "Received message larger than max (9 vs. 8)", errors.MessageTooLarge),
        ("PERMISSION_DENIED", "", errors.PermissionDenied),
        ("UNAUTHENTICATED", "", errors.Unauthenticated),
    ],
)
def test_what_is_certain_without_a_word_of_the_agent(meaning: Any, code: str, details: str, kind: type) -> None:
    known = meaning(Failure(grpc.StatusCode[code], details), "h:1")
    assert type(known) is kind
    assert "h:1" in known.message


def test_history_that_is_not_there_is_no_error_of_the_tree() -> None:
    from google.rpc import error_details_pb2, status_pb2

    for reason, metadata, kind in (
        ("COMPACTED", {"compactRevision": "17"}, Compacted),
        ("COMPACTED", {}, Compacted),
        ("FUTURE_REVISION", {}, FutureRevision),
        ("AMBIGUOUS", {}, errors.Unavailable),
    ):
        status = status_pb2.Status(code=11, message="out of range")
        status.details.add().Pack(error_details_pb2.ErrorInfo(reason=reason, domain="etcdmeta", metadata=metadata))
        failure = Failure(grpc.StatusCode.OUT_OF_RANGE, "", status.SerializeToString())
        known = from_repeatable(failure, "h:1")
        assert type(known) is kind
        assert type(from_execution(failure, "h:1")) is (Ambiguous if reason == "AMBIGUOUS" else kind)
        if isinstance(known, Compacted):
            assert known.compact_revision == int(metadata.get("compactRevision", 0))


@pytest.mark.parametrize(
    ("details", "words"),
    [
        ("failed to connect to all addresses; x: CERTIFICATE_VERIFY_FAILED: self signed: y", "--cacert"),
        ("failed to connect to all addresses; x: WRONG_VERSION_NUMBER", "agent://"),
        ("failed to connect to all addresses; last error: x: Socket closed", "--cert"),
        ("failed to connect to all addresses; last error: x: Connection refused", "running"),
        ("last error: UNKNOWN: x: connection attempt timed out before receiving SETTINGS frame", "is it paused"),
    ],
)
def test_a_failed_handshake_says_what_to_do(details: str, words: str) -> None:
    assert words in str(from_repeatable(Failure(grpc.StatusCode.UNAVAILABLE, details), "h:1"))
