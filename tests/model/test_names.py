"""Names, hosts and destinations: InfluxDB 1.x's rules, on any content."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from etcdmeta.errors import InvalidAddress, InvalidName
from etcdmeta.model.names import (
    check_destination,
    check_host,
    check_label_name,
    check_name,
    from_bytes,
    to_bytes,
    without_password,
)

GOOD = [
    "metrics",
    "a",
    "a b",
    " ",
    "...",
    ".a",
    "a.b",
    "'\"%*?",
    "=",
    "größe",
    "データ",
    "شبكة",  # right to left
    "📈",
    "x" * 255,
    "é" * 127 + "x",  # 255 bytes
]
BAD = [
    ("", "not empty"),
    ("x" * 256, "255 bytes"),
    ("é" * 128, "255 bytes"),
    ("x" * 1_000_000, "255 bytes"),
    ("a\0b", "U+0000"),
    ("a\nb", "U+000A"),
    ("\x7f", "U+007F"),
    ("\x85", "U+0085"),
    ("a\u00a0b", "U+00A0"),  # a no-break space: Go's IsPrint knows one space only
    ("\u202eabc", "U+202E"),  # turns what follows around on a terminal
    ("👨‍👩‍👧", "U+200D"),
    ("\ufeff", "U+FEFF"),
    ("\ue000", "U+E000"),  # private use
    ("\udcff", "UTF-8"),  # the byte ff, as Python reads a command line
    ("\ud800", "UTF-8"),
]
PATHS = [".", "..", "/", "a/b", "a\\b", "../etc"]


@pytest.mark.parametrize("name", GOOD)
def test_good_names(name: str) -> None:
    assert check_name(name) == name
    assert check_label_name(name, "user") == name


@pytest.mark.parametrize(("name", "rule"), BAD)
def test_bad_names(name: str, rule: str) -> None:
    for check in (check_name, check_label_name):
        with pytest.raises(InvalidName) as refused:
            check(name, "user")
        assert rule in (refused.value.rule or "")
        assert refused.value.value == name
        assert len(str(refused.value)) < 500
        assert str(refused.value).isprintable()


@pytest.mark.parametrize("name", PATHS)
def test_paths(name: str) -> None:
    with pytest.raises(InvalidName):
        check_name(name)
    assert check_label_name(name, "query") == name


@given(st.binary())
def test_any_bytes_survive_as_a_name(stored: bytes) -> None:
    assert to_bytes(from_bytes(stored)) == stored


@given(st.text(alphabet=st.characters(codec="utf-8")))
def test_any_text_survives_as_bytes(name: str) -> None:
    assert from_bytes(to_bytes(name)) == name


@pytest.mark.parametrize("name", ["\ud800", "a\udfff", "\udc7fb"])
def test_surrogates_that_no_bytes_stand_behind(name: str) -> None:
    with pytest.raises(InvalidName):
        to_bytes(name)


@pytest.mark.parametrize(
    "host",
    ["h1:8088", "10.0.0.1:1", "a-b.example.com:65535", "[::1]:8088", "[2001:db8::1]:8088", "under_score:80"],
)
def test_good_hosts(host: str) -> None:
    assert check_host(host) == host


@pytest.mark.parametrize(
    "host",
    [
        "",
        "h1",
        ":8088",
        "h1:",
        "h1:0",
        "h1:65536",
        "h1:8088 ",
        "h1:٨",
        "h1:-1",
        "h1:http",
        "::1:8088",
        "[::1]",
        "[::1:8088",
        "[nonsense]:80",
        "http://h1:8088",
        "user@h1:8088",
        "h1,h2:8088",
        "h1/:8088",
        "h\0:1",
        "größe:1",
        "-h:1",
        "h-:1",
        "h" * 254 + ":1",
        "h1:" + "9" * 5000,
        "\udcff:1",
    ],
)
def test_bad_hosts(host: str) -> None:
    with pytest.raises(InvalidAddress) as refused:
        check_host(host)
    assert refused.value.value == host
    assert refused.value.remedy


@pytest.mark.parametrize(
    "url",
    ["http://h1:9092", "https://h1.example.com:443/write?db=x", "udp://10.0.0.1:9", "http://[::1]:9092"],
)
def test_good_destinations(url: str) -> None:
    assert check_destination(url) == url


@pytest.mark.parametrize(
    "url",
    [
        "",
        "h1:9092",
        "http://h1",
        "http://:9092",
        "http://h1:",
        "http://h1:0",
        "http://h1:70000",
        "ftp://h1:21",
        "http:h1:9092",
        "http://h1:9092 ",
        "http://h1:90\n92",
        "http://[::1:9092",
        "http://größe:9092",
        "http://h1:9092/" + "x" * 3000,
        "\udcff",
    ],
)
def test_bad_destinations(url: str) -> None:
    with pytest.raises(InvalidAddress) as refused:
        check_destination(url)
    assert refused.value.rule
    assert len(str(refused.value)) < 500


@pytest.mark.parametrize("text", ["me:s3cret@h1:8088", "h0:1,me:s3cret@h1:8088", "http://me:s3/cret@h1", ":s3cret@h"])
def test_a_password_in_an_address_is_not_repeated(text: str) -> None:
    shown = without_password(text)
    assert "cret" not in shown
    assert shown.endswith(text.partition("@")[2])
    with pytest.raises(InvalidAddress) as refused:
        check_host(text)
    assert "cret" not in f"{refused.value} {refused.value.value} {refused.value!r}"


def test_a_password_in_a_destination_is_refused_and_not_repeated() -> None:
    for url in ("http://me:s3cret@h1:9092", "http://me:s3cret@h1", "udp://s3cret@h1:9092"):
        with pytest.raises(InvalidAddress) as refused:
            check_destination(url)
        assert "s3cret" not in f"{refused.value} {refused.value.value} {refused.value!r}"
