"""The functions Kubernetes adds to CEL, declared to the runtime.

The runtime cannot pass values of new types through Python functions, so quantities, versions,
addresses, networks and URLs travel as canonical text: equal ones compare equal, and only texts of
the right kind are taken (see ``quantities``, ``versions``, ``network``).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from echelon.apiserver.schema.cel import lists, named_formats, network, quantities, text, versions

Implementation = Callable[..., Any]

# One line a function: name, parameters, result. "x.f(...)" is called on a value, "f(...)" is not. Types are
# those of the runtime: bool, int, double, string, dyn; [t] is a list, {} a map from text to anything.
_DECLARATIONS: dict[str, Implementation] = {
    "[dyn].isSorted() bool": lists.is_sorted,
    "[dyn].sum() dyn": lists.total,
    "[dyn].min() dyn": lists.smallest,
    "[dyn].max() dyn": lists.largest,
    "[dyn].indexOf(dyn) int": lists.index_of,
    "[dyn].lastIndexOf(dyn) int": lists.last_index_of,
    "[dyn].distinct() [dyn]": lists.distinct,
    "[dyn].flatten() [dyn]": lists.flatten,
    "[dyn].flatten(int) [dyn]": lists.flatten,
    "[dyn].reverse() [dyn]": lists.reverse,
    "[dyn].slice(int, int) [dyn]": lists.part,
    "[dyn].sort() [dyn]": lists.in_order,
    "lists.range(int) [int]": lists.counting,
    "sets.contains([dyn], [dyn]) bool": lists.contains_all,
    "sets.equivalent([dyn], [dyn]) bool": lists.equivalent,
    "sets.intersects([dyn], [dyn]) bool": lists.intersects,
    "string.find(string) string": text.find,
    "string.findAll(string) [string]": text.find_all,
    "string.findAll(string, int) [string]": text.find_all,
    "isURL(string) bool": network.is_url,
    "url(string) string": network.url,
    "string.getScheme() string": network.scheme_of,
    "string.getHost() string": network.host_of,
    "string.getHostname() string": network.hostname_of,
    "string.getPort() string": network.port_of,
    "string.getEscapedPath() string": network.escaped_path_of,
    "string.getQuery() {}": network.query_of,
    "isIP(string) bool": network.is_ip,
    "ip(string) string": network.ip,
    "ip.isCanonical(string) bool": network.is_canonical,
    "string.family() int": network.family_of,
    "string.isUnspecified() bool": network.is_unspecified,
    "string.isLoopback() bool": network.is_loopback,
    "string.isLinkLocalMulticast() bool": network.is_link_local_multicast,
    "string.isLinkLocalUnicast() bool": network.is_link_local_unicast,
    "string.isGlobalUnicast() bool": network.is_global_unicast,
    "isCIDR(string) bool": network.is_cidr,
    "cidr(string) string": network.cidr,
    "string.containsIP(string) bool": network.contains_ip,
    "string.containsCIDR(string) bool": network.contains_cidr,
    "string.ip() string": network.address_of,
    "string.masked() string": network.masked,
    "string.prefixLength() int": network.prefix_length_of,
    "isQuantity(string) bool": quantities.is_quantity,
    "quantity(string) string": quantities.quantity,
    "string.sign() int": quantities.sign_of,
    "string.isInteger() bool": quantities.is_integer,
    "string.asInteger() int": quantities.as_integer,
    "string.asApproximateFloat() double": quantities.as_approximate_float,
    "string.add(string) string": quantities.add,
    "string.add(int) string": quantities.add,
    "string.sub(string) string": quantities.subtract,
    "string.sub(int) string": quantities.subtract,
    "string.isLessThan(string) bool": versions.is_less_than,
    "string.isGreaterThan(string) bool": versions.is_greater_than,
    "string.compareTo(string) int": versions.compare,
    "isSemver(string) bool": versions.is_semver,
    "isSemver(string, bool) bool": versions.is_semver,
    "semver(string) string": versions.semver,
    "semver(string, bool) string": versions.semver,
    "string.major() int": versions.major_of,
    "string.minor() int": versions.minor_of,
    "string.patch() int": versions.patch_of,
    "format.named(string) [string]": named_formats.named,
    "string.validate(string) [string]": named_formats.validate,
    "[string].hasValue() bool": named_formats.has_value,
    "[string].value() dyn": named_formats.value,
}


def extension(cel: Any) -> Any:
    """The functions as an extension of the runtime module ``cel``."""
    overloads: dict[str, list[Any]] = {}
    for number, (declaration, implementation) in enumerate(_all_declarations()):
        name, parameters, result, member = _parsed(declaration)
        overloads.setdefault(name, []).append(
            cel.Overload(
                f"kubernetes_{number}_{name.replace('.', '_')}",
                return_type=_type(cel, result),
                parameters=[_type(cel, parameter) for parameter in parameters],
                is_member=member,
                impl=implementation,
            )
        )
    return cel.CelExtension("kubernetes", [cel.FunctionDecl(name, each) for name, each in overloads.items()])


def _all_declarations() -> Iterable[tuple[str, Implementation]]:
    yield from _DECLARATIONS.items()
    for name, constant in named_formats.constants().items():
        yield f"format.{name}() string", constant


def _parsed(declaration: str) -> tuple[str, list[str], str, bool]:
    head, _, tail = declaration.partition("(")
    inner, _, result = tail.rpartition(") ")
    receiver, separator, name = head.rpartition(".")
    parameters = [part for part in inner.split(", ") if part]
    if separator and receiver in _RECEIVERS:
        return name, [receiver, *parameters], result, True
    return head, parameters, result, False


_RECEIVERS = frozenset(("string", "[dyn]", "[string]"))


def _type(cel: Any, name: str) -> Any:
    if name == "{}":
        return cel.Type.Map(cel.Type.STRING, cel.Type.DYN)
    if name.startswith("["):
        return cel.Type.List(_type(cel, name[1:-1]))
    return getattr(cel.Type, name.upper())
