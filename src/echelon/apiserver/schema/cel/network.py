"""Functions on URLs, IP addresses and networks. All three are passed on as canonical text."""

from __future__ import annotations

import ipaddress
import re
from urllib.parse import SplitResult, parse_qs, quote, urlsplit

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Interface | ipaddress.IPv6Interface

_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:", re.ASCII)
_PORT = re.compile(r"[0-9]*", re.ASCII)


def _split(text: str) -> SplitResult:
    if not text.startswith("/") and not _SCHEME.match(text):
        raise ValueError(f"URL parse error during conversion from string: parse {text!r}: invalid URI for request")
    parts = urlsplit(text)
    host = parts.netloc.rpartition("@")[2]
    port = host.rpartition("]")[2].partition(":")[2]
    if not _PORT.fullmatch(port):
        raise ValueError(f'URL parse error during conversion from string: invalid port ":{port}" after host')
    return parts


def is_url(text: str) -> bool:
    try:
        _split(text)
    except ValueError:
        return False
    return True


def url(text: str) -> str:
    _split(text)
    return text


def scheme_of(text: str) -> str:
    return _split(text).scheme


def host_of(text: str) -> str:
    return _split(text).netloc.rpartition("@")[2]


def hostname_of(text: str) -> str:
    return _split(text).hostname or ""


def port_of(text: str) -> str:
    port = _split(text).port
    return "" if port is None else str(port)


def escaped_path_of(text: str) -> str:
    return quote(_split(text).path, safe="/%:@!$&'()*+,;=~-._")


def query_of(text: str) -> dict[str, list[str]]:
    return parse_qs(_split(text).query, keep_blank_values=True)


def _address(text: str) -> Address:
    try:
        address = ipaddress.ip_address(text)
    except ValueError as error:
        raise ValueError(f"IP Address {text!r} parse error during conversion from string") from error
    if isinstance(address, ipaddress.IPv6Address):
        if address.ipv4_mapped is not None:
            raise ValueError(f"IPv4-mapped IPv6 address {text!r} is not allowed")
        if address.scope_id is not None:
            raise ValueError(f"IP address {text!r} with zone value is not allowed")
    return address


def is_ip(text: str) -> bool:
    try:
        _address(text)
    except ValueError:
        return False
    return True


def ip(text: str) -> str:
    return str(_address(text))


def is_canonical(text: str) -> bool:
    return ip(text) == text


def family_of(text: str) -> int:
    return _address(text).version


def is_unspecified(text: str) -> bool:
    return _address(text).is_unspecified


def is_loopback(text: str) -> bool:
    return _address(text).is_loopback


def is_link_local_multicast(text: str) -> bool:
    address = _address(text)
    if address.version == 4:
        return address in ipaddress.ip_network("224.0.0.0/24")
    return address.is_multicast and address.packed[1] & 0x0F == 2


def is_link_local_unicast(text: str) -> bool:
    return _address(text).is_link_local


def is_global_unicast(text: str) -> bool:
    address = _address(text)
    return not (
        address.is_unspecified
        or address.is_loopback
        or address.is_multicast
        or address.is_link_local
        or str(address) == "255.255.255.255"
    )


def _network(text: str) -> Network:
    address, separator, bits = text.partition("/")
    _address(address)
    if not separator or not bits.isascii() or not bits.isdigit():
        raise ValueError(f"network address parse error during conversion from string: {text!r}")
    return ipaddress.ip_interface(text)


def is_cidr(text: str) -> bool:
    try:
        _network(text)
    except ValueError:
        return False
    return True


def cidr(text: str) -> str:
    return str(_network(text))


def contains_ip(network: str, address: str) -> bool:
    return _address(address) in _network(network).network


def contains_cidr(network: str, other: str) -> bool:
    outer, inner = _network(network).network, _network(other).network
    if isinstance(outer, ipaddress.IPv4Network) and isinstance(inner, ipaddress.IPv4Network):
        return inner.subnet_of(outer)
    if isinstance(outer, ipaddress.IPv6Network) and isinstance(inner, ipaddress.IPv6Network):
        return inner.subnet_of(outer)
    return False


def address_of(network: str) -> str:
    return str(_network(network).ip)


def masked(network: str) -> str:
    return str(_network(network).network)


def prefix_length_of(network: str) -> int:
    return _network(network).network.prefixlen
