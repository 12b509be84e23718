"""Names and conditions of definitions."""

from __future__ import annotations

from typing import Any

from echelon.apiserver.crd import is_established, observed_status

NOW, LATER = "2026-01-01T00:00:00Z", "2026-01-02T00:00:00Z"
CRD = dict[str, Any]


def definition(plural: str, kind: str, group: str = "example.com", **names: Any) -> CRD:
    wanted = {"plural": plural, "singular": kind.lower(), "kind": kind, "listKind": f"{kind}List", **names}
    return {"metadata": {"name": f"{plural}.{group}"}, "spec": {"group": group, "names": wanted, "versions": []}}


def settle(crd: CRD, *others: CRD, now: str = NOW) -> CRD:
    crd["status"] = observed_status(crd, others, now)
    return crd


def conditions(crd: CRD) -> list[tuple[str, str, str]]:
    return [(each["type"], each["status"], each["reason"]) for each in crd["status"]["conditions"]]


def test_free_names_are_accepted_and_the_resource_is_established() -> None:
    crd = settle(definition("widgets", "Widget", shortNames=["w"], categories=["all"]))
    assert conditions(crd) == [
        ("NamesAccepted", "True", "NoConflicts"),
        ("Established", "True", "InitialNamesAccepted"),
    ]
    assert crd["status"]["acceptedNames"] == crd["spec"]["names"]
    assert is_established(crd)


def test_a_settled_status_stays_the_same() -> None:
    crd = settle(definition("widgets", "Widget"))
    assert observed_status(crd, [], LATER) == crd["status"]


def test_a_taken_kind_is_refused_until_it_is_free() -> None:
    first = settle(definition("widgets", "Widget"))
    second = settle(definition("gadgets", "Widget", singular="gadget", listKind="GadgetList"), first)
    assert conditions(second) == [("NamesAccepted", "False", "KindConflict"), ("Established", "False", "NotAccepted")]
    assert second["status"]["conditions"][0]["message"] == '"Widget" is already in use'
    assert second["status"]["acceptedNames"]["kind"] == ""
    assert not is_established(second)
    settle(second, now=LATER)
    assert conditions(second)[1] == ("Established", "True", "InitialNamesAccepted")
    assert second["status"]["conditions"][1]["lastTransitionTime"] == LATER


def test_short_names_and_singular_names_share_one_space_with_plurals() -> None:
    first = settle(definition("widgets", "Widget", shortNames=["w", "wd"]))
    second = settle(definition("gadgets", "Gadget", shortNames=["w", "wd", "g"]), first)
    assert conditions(second)[0] == ("NamesAccepted", "False", "ShortNamesConflict")
    assert second["status"]["conditions"][0]["message"] == '["w" is already in use, "wd" is already in use]'
    assert "shortNames" not in second["status"]["acceptedNames"]
    third = settle(definition("widget", "Thing"), first)
    assert conditions(third)[0] == ("NamesAccepted", "False", "PluralConflict")


def test_an_established_resource_stays_established_when_it_asks_for_taken_names() -> None:
    first = settle(definition("widgets", "Widget", shortNames=["w"]))
    second = settle(definition("gadgets", "Gadget"), first)
    second["spec"]["names"]["shortNames"] = ["w"]
    settle(second, first)
    assert conditions(second)[0] == ("NamesAccepted", "False", "ShortNamesConflict")
    assert is_established(second)


def test_other_groups_do_not_matter() -> None:
    first = settle(definition("widgets", "Widget", group="other.com"))
    assert is_established(settle(definition("widgets", "Widget"), first))
