"""Member specifications of the command line."""

import pytest

from echelon.local.members import BadMember, MemberSpec, parse_member, parse_members


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("member1", MemberSpec("member1", {})),
        ("eu-1:env=prod", MemberSpec("eu-1", {"env": "prod"})),
        ("a:env=prod,order=2", MemberSpec("a", {"env": "prod", "order": "2"})),
        ("a:example.com/tier=gold", MemberSpec("a", {"example.com/tier": "gold"})),
        ("a:empty=", MemberSpec("a", {"empty": ""})),
    ],
)
def test_good(text, expected):
    assert parse_member(text) == expected


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "name ''"),
        ("Member1", "'Member1'"),
        ("-a", "'-a'"),
        ("a" * 51, "at most 50"),
        ("a/b", "'a/b'"),
        ("hub", "taken by the hub"),
        ("a:", "no label follows"),
        ("a:env", "'env' has no value"),
        ("a:env=prod,", "'' has no value"),
        ("a:=x", "'' is not a label key"),
        ("a:b c=x", "'b c' is not a label key"),
        ("a:env=no good", "'no good' is not a value for the label 'env'"),
        ("a:env=1,env=2", "'env' is given twice"),
        ("a:UPPER.com/x=1", "is not a label key"),
    ],
)
def test_bad(text, said):
    with pytest.raises(BadMember) as caught:
        parse_member(text)
    assert said in str(caught.value)


def test_a_name_is_given_once():
    with pytest.raises(BadMember, match="'a' is given twice"):
        parse_members(["a", "b", "a:env=x"])
