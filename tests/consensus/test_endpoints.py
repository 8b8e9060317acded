import traceback

import pytest

from etcdmeta.consensus.agent import parse_agents
from etcdmeta.consensus.etcd import EtcdStrategy, parse_endpoints
from etcdmeta.consensus.etcd.endpoints import reachable_url
from etcdmeta.errors import InvalidAddress


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("localhost:2379", ["localhost:2379"]),
        ("a:1,b:2, c:3", ["a:1", "b:2", "c:3"]),
        (["a:1", "b:2,c:3"], ["a:1", "b:2", "c:3"]),
        ("a:1,a:1", ["a:1"]),
        ("http://etcd-1.example.com:2379/", ["etcd-1.example.com:2379"]),
        ("HTTPS://etcd-1:2379", ["https://etcd-1:2379"]),
        ("[::1]:2379", ["[::1]:2379"]),
        ("https://[fe80::1%eth0]:65535", ["https://[fe80::1%eth0]:65535"]),
        ("127.0.0.1:1", ["127.0.0.1:1"]),
        ("under_score:80", ["under_score:80"]),
    ],
)
def test_what_people_write(given: str | list[str], expected: list[str]) -> None:
    assert [str(endpoint) for endpoint in parse_endpoints(given)] == expected


def test_without_a_scheme_it_is_tls_where_certificates_are_given() -> None:
    given = "a:1,http://b:2,https://c:3"
    assert [endpoint.tls for endpoint in parse_endpoints(given, secure=True)] == [True, False, True]
    assert EtcdStrategy("a:1", ca="ca.pem").endpoints == ("https://a:1",)


@pytest.mark.parametrize(
    ("advertised", "url"),
    [
        ("http://etcd-1:2379", "http://etcd-1:2379"),
        ("https://[fd00::1]:2379/", "https://[fd00::1]:2379"),
        ("http://0.0.0.0:2379", None),
        ("http://[::]:2379", None),
        ("unix://socket:1", None),
        ("", None),
    ],
)
def test_what_members_advertise_is_handed_on_where_other_machines_can_use_it(advertised: str, url: str | None) -> None:
    assert reachable_url(advertised) == url


def test_an_ipv6_target_is_in_brackets() -> None:
    (endpoint,) = parse_endpoints("https://[::1]:2379")
    assert (endpoint.host, endpoint.port, endpoint.tls, endpoint.target) == ("::1", 2379, True, "[::1]:2379")


@pytest.mark.parametrize(
    "given",
    [
        "",
        ",",
        [],
        "localhost",
        "localhost:",
        ":2379",
        "localhost:0",
        "localhost:65536",
        "localhost:-1",
        "localhost:http",
        "::1:2379",
        "[::1]",
        "[localhost]:2379",
        "ftp://localhost:21",
        "unix:///tmp/socket",
        "http://localhost:2379/path",
        "http://user:pw@localhost:2379",
        "a:1,,b:2",
        "local host:1",
        "-a:1",
        "a\n:1",
        "٣:٣",
        "x" * 10_000,
    ],
)
def test_what_is_no_endpoint(given: str | list[str]) -> None:
    with pytest.raises(InvalidAddress) as caught:
        parse_endpoints(given)
    assert caught.value.rule
    assert caught.value.remedy


def test_a_password_in_an_endpoint_is_not_repeated() -> None:
    for parse in (parse_endpoints, parse_agents):
        for given in ("http://me:s3cret@localhost:2379", "a:1,me:s3cret@b:2"):
            with pytest.raises(InvalidAddress) as caught:
                parse(given)
            shown = "".join(traceback.format_exception(caught.value))
            assert "s3cret" not in f"{caught.value!r} {caught.value.value} {shown}"
