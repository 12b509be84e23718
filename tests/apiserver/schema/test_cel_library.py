"""Every function Kubernetes adds to CEL, with its documented examples."""

from __future__ import annotations

import pytest

from echelon.apiserver.schema.cel.runtime import EvaluationError, Variables, compile_expression

TRUE = """
[1, 2, 3].isSorted() && ['a', 'b', 'b', 'c'].isSorted() && ![2.0, 1.0].isSorted() && [].isSorted()
[1, 3].sum() == 4 && [1.0, 3.0].sum() == 4.0 && [].sum() == 0
[1, 3].min() == 1 && [1, 3].max() == 3 && ['b', 'a'].min() == 'a'
[1, 2, 2, 3].indexOf(2) == 1 && ['a', 'b', 'b', 'c'].lastIndexOf('b') == 2 && [1.0].indexOf(1.1) == -1
[1].indexOf(true) == -1
[1, 2, 2].distinct() == [1, 2] && [1, [2, [3]]].flatten() == [1, 2, [3]] && [[[1]]].flatten(2) == [1]
[1, 2, 3].slice(1, 3) == [2, 3] && [3, 1].sort() == [1, 3] && lists.range(3) == [0, 1, 2] && [1, 2].reverse() == [2, 1]
sets.contains([1, 2], [2]) && sets.equivalent([1, 1], [1]) && sets.intersects([1], [1, 2]) && !sets.contains([1], [2])
'abc 123'.find('[0-9]+') == '123' && 'abc 123'.find('xyz') == ''
'123 abc 456'.findAll('[0-9]+') == ['123', '456'] && '123 abc 456'.findAll('[0-9]+', 1) == ['123']
'TacoCat'.lowerAscii() == 'tacocat' && 'a'.upperAscii() == 'A' && 'abc'.charAt(1) == 'b'
'a-b-c'.split('-') == ['a', 'b', 'c'] && ['a', 'b'].join('-') == 'a-b' && 'hello'.replace('l', 'L', 1) == 'heLlo'
'hello'.substring(1, 3) == 'el' && ' x '.trim() == 'x' && 'hello'.indexOf('l') == 2 && 'hello'.lastIndexOf('l') == 3
'%s has %d (%.1f)'.format(['x', 2, 1.25]) == 'x has 2 (1.2)'
url('https://user:pass@example.com:80/path?query=val#f').getHost() == 'example.com:80'
url('https://[::1]:80/').getHostname() == '::1' && url('https://[::1]:80/').getHost() == '[::1]:80'
url('/path').getScheme() == '' && url('https://example.com/').getPort() == ''
url('https://example.com/path with spaces/').getEscapedPath() == '/path%20with%20spaces/'
url('https://example.com/path?k1=a&k2=b&k2=c').getQuery() == {'k1': ['a'], 'k2': ['b', 'c']}
isURL('/absolute') && !isURL('../relative') && !isURL('https://a:b:c/')
isIP('127.0.0.1') && isIP('::1') && !isIP('127.0.0.256')
!isIP('::ffff:1.2.3.4') && !isIP('fe80::1%eth0') && !isIP('010.0.0.1')
ip('2001:db8::0:0:abcd') == ip('2001:DB8::abcd') && ip('127.0.0.1').family() == 4 && ip('::1').family() == 6
ip.isCanonical('127.0.0.1') && !ip.isCanonical('2001:DB8::ABCD')
ip('0.0.0.0').isUnspecified() && ip('::1').isLoopback() && !ip('192.168.0.1').isLoopback()
ip('224.0.0.1').isLinkLocalMulticast() && !ip('224.0.1.1').isLinkLocalMulticast()
ip('ff02::1').isLinkLocalMulticast()
ip('169.254.169.254').isLinkLocalUnicast() && ip('192.168.0.1').isGlobalUnicast()
!ip('255.255.255.255').isGlobalUnicast()
isCIDR('192.168.0.0/16') && !isCIDR('192.168.0.0/33') && isCIDR('::1/128')
cidr('192.168.0.0/24').containsIP(ip('192.168.0.1')) && !cidr('192.168.0.0/24').containsIP('192.168.1.1')
cidr('192.168.0.0/16').containsCIDR('192.168.10.0/24') && !cidr('192.168.1.0/24').containsCIDR(cidr('192.168.2.0/24'))
!cidr('192.168.0.0/16').containsCIDR('::/0') && cidr('192.168.0.0/16').prefixLength() == 16
cidr('192.168.0.1/24').masked() == cidr('192.168.0.0/24') && cidr('192.168.0.1/24').ip() == ip('192.168.0.1')
quantity('1.5G').isGreaterThan(quantity('200k')) && quantity('1Gi') == quantity('1024Mi') && quantity('50m').sign() == 1
isQuantity('1.3Gi') && !isQuantity('1,3G') && !isQuantity('200K') && !isQuantity('Mi')
quantity('50k').add(quantity('20k')) == quantity('70k') && quantity('50k').add(20) == quantity('50020')
quantity('50k').sub(20000).asApproximateFloat() == 30000.0 && quantity('50k').asInteger() == 50000
quantity('50k').isInteger() && !quantity('9999999999999999999999999999999999999G').isInteger()
!quantity('1m').isInteger()
quantity('1').compareTo(quantity('2')) == -1 && quantity('1k').isLessThan(quantity('1Ki'))
semver('1.2.3').major() == 1 && semver('1.2.3').minor() == 2 && semver('1.2.3').patch() == 3
semver('1.0.0-alpha').isLessThan(semver('1.0.0')) && semver('1.0.0-alpha.1').isGreaterThan(semver('1.0.0-alpha'))
semver('1.0.0-rc.2').isLessThan(semver('1.0.0-rc.10')) && semver('1.2.3').compareTo(semver('1.2.3')) == 0
isSemver('1.0.0') && !isSemver('v1.0') && isSemver('v1.0', true) && semver('01.01.01', true) == semver('1.1.1')
!format.dns1123Label().validate('my-name').hasValue() && format.dns1123Label().validate('My').hasValue()
format.named('uuid').value().validate('x').value() == ['does not match the UUID format']
!format.named('nope').hasValue()
!format.dns1123LabelPrefix().validate('my-').hasValue()
!format.datetime().validate('2021-01-01T00:00:00Z').hasValue()
optional.of(1).orValue(2) == 1 && optional.none().orValue(2) == 2 && optional.of('x').value() == 'x'
math.greatest(1, 2) == 2 && math.least([3, 1]) == 1
duration('1h') > duration('5m') && timestamp('2020-01-01T00:00:00Z').getFullYear() == 2020
""".strip().split("\n")  # fmt: skip


@pytest.mark.parametrize("expression", TRUE)
def test_examples_hold(expression: str) -> None:
    assert compile_expression(expression).evaluate(Variables(None)) is True


@pytest.mark.parametrize(
    "expression",
    [
        "[].min() == 1",
        "[1, 'a'].isSorted()",
        "quantity('Three') == quantity('1')",
        "'1k'.isLessThan('2k')",
        "quantity('1m').asInteger() == 0",
        "semver('1.0') == semver('1.0')",
        "'1.0.0'.major() == 1",
        "ip('1.2.3') == ip('1')",
        "cidr('1.2.3.4') == cidr('1')",
        "url('no url').getHost() == ''",
        "'x'.validate('y').hasValue()",
        "lists.range(1000000).size() > 0",
        "[1].slice(0, 5) == []",
        "'a'.find('(?=x)') == ''",
    ],
)
def test_wrong_values_end_in_an_error(expression: str) -> None:
    with pytest.raises(EvaluationError):
        compile_expression(expression).evaluate(Variables(None))
