"""Which addresses a webhook may be posted to."""

from __future__ import annotations

import ipaddress
import socket

import pytest

from stripe_sync.consumers.sinks.webhook.addresses import AddressCheck

PUBLIC = [
    "8.8.8.8",
    "2606:4700::1111",
    "::ffff:8.8.8.8",
    "64:ff9b::808:808",  # NAT64 of 8.8.8.8
    "2002:808:808::1",  # 6to4 of 8.8.8.8
]
NOT_PUBLIC = [
    "0.0.0.0",
    "10.1.2.3",
    "100.64.0.1",  # carriers' own
    "100.100.100.200",  # Alibaba's metadata
    "127.0.0.1",
    "169.254.169.254",  # metadata of most clouds
    "172.16.0.1",
    "192.168.0.1",
    "198.18.0.1",
    "224.0.0.1",
    "255.255.255.255",
    "::",
    "::1",
    "::127.0.0.1",
    "::ffff:10.0.0.1",
    "::ffff:127.0.0.1",
    "::ffff:169.254.169.254",
    "::ffff:0:127.0.0.1",
    "64:ff9b::127.0.0.1",
    "64:ff9b::a9fe:a9fe",  # NAT64 of 169.254.169.254
    "64:ff9b:1::a00:1",  # NAT64 of a private network
    "2001:0:4136:e378:8000:63bf:3fff:fdd2",  # Teredo
    "2001:db8::1",
    "2002:7f00:1::1",  # 6to4 of 127.0.0.1
    "2002:a9fe:a9fe::1",
    "fc00::1",
    "fd00:ec2::254",  # Amazon's metadata
    "fe80::1",
    "fe80::1%lo",
    "fec0::1",
    "ff0e::1",
]


def check(*networks: str) -> AddressCheck:
    return AddressCheck([ipaddress.ip_network(network) for network in networks])


@pytest.mark.parametrize("address", PUBLIC)
def test_public_addresses_are_connected(address: str) -> None:
    assert check().permits(address)


@pytest.mark.parametrize("address", NOT_PUBLIC)
def test_all_others_are_not(address: str) -> None:
    assert not check().permits(address)


@pytest.mark.parametrize(
    ("network", "address"),
    [
        ("10.0.0.0/8", "10.1.2.3"),
        ("10.0.0.0/8", "::ffff:10.1.2.3"),
        ("10.0.0.0/8", "64:ff9b::a01:203"),
        ("100.64.0.0/10", "100.64.0.1"),
        ("127.0.0.1", "127.0.0.1"),
        ("169.254.169.254", "169.254.169.254"),
        ("169.254.0.0/16", "169.254.1.1"),
        ("fd00::/8", "fd12::1"),
        ("fe80::/10", "fe80::1%lo"),
    ],
)
def test_the_user_may_allow_networks(network: str, address: str) -> None:
    assert check("192.0.2.0/24", network).permits(address)


@pytest.mark.parametrize(
    ("network", "address"),
    [
        ("0.0.0.0/0", "169.254.169.254"),
        ("169.0.0.0/8", "169.254.169.254"),
        ("0.0.0.0/0", "::ffff:169.254.169.254"),
        ("0.0.0.0/0", "100.100.100.200"),
        ("::/0", "fe80::1"),
        ("::/0", "fd00:ec2::254"),
        ("fd00::/8", "fd00:ec2::254"),
        ("::/0", "127.0.0.1"),
        ("127.0.0.0/8", "10.0.0.1"),
    ],
)
def test_a_wide_network_lets_no_machine_credentials_pass(network: str, address: str) -> None:
    assert not check(network).permits(address)


def test_a_refused_address_gets_no_socket_and_an_error_with_its_name() -> None:
    info = (socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", ("127.0.0.1", 80))
    with pytest.raises(PermissionError, match=r"127\.0\.0\.1 is not a public address"):
        check()(info)
    with check("127.0.0.0/8")(info) as made:
        assert made.family == socket.AF_INET
