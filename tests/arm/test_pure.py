"""What the face decides without a hub: paths, versions, filters, pages, tags, ids, and complaints."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from echelon.api.cluster import MemberCluster, MemberClusterSpec
from echelon.api.core import Subject
from echelon.api.fleet import Gate, GateSpec, GateTarget
from echelon.api.meta import ObjectMeta
from echelon.arm import versions
from echelon.arm.envelope import check_preconditions, etag, system_data
from echelon.arm.errors import ArmError, from_hub
from echelon.arm.filters import matches_gate, matches_member, parse_filter
from echelon.arm.handlers.operations import read_state
from echelon.arm.ids import FleetId, is_name, last_name
from echelon.arm.router import Route, Router
from echelon.kube.errors import ApiError

META = ObjectMeta(name="x", uid="u-1", resource_version="7", creation_timestamp="2026-01-31T08:00:00Z")
ID = FleetId("s", "Group", "Fleet")
WORDS = st.text("abcxyz019-", min_size=1, max_size=12)

# -- paths --------------------------------------------------------------------------------------

ROUTER = Router(
    [
        Route("GET", "/subscriptions/{subscription}/fleets/{fleet}", "get"),
        Route("PUT", "/subscriptions/{subscription}/fleets/{fleet}", "put"),
        Route("GET", "/metadata/endpoints", "cloud"),
    ]
)


def test_paths_are_compared_without_case_and_names_are_kept_as_given() -> None:
    match = ROUTER.find("GET", "/SUBSCRIPTIONS/S1/Fleets/My%2DFleet/")
    assert match is not None
    assert (match.target, match.names) == ("get", {"subscription": "S1", "fleet": "My-Fleet"})


def test_a_method_that_a_path_lacks_says_which_it_has() -> None:
    match = ROUTER.find("DELETE", "/subscriptions/s/fleets/f")
    assert match is not None
    assert (match.target, match.allowed) == (None, ("GET", "PUT"))


@pytest.mark.parametrize("path", ["/subscriptions//fleets/f", "/subscriptions/s/fleets", "/metadata", "/", ""])
def test_other_paths_lead_nowhere(path: str) -> None:
    assert ROUTER.find("GET", path) is None


def test_a_path_is_the_faces_by_its_first_part() -> None:
    assert ROUTER.leads_here("/Subscriptions/anything")
    assert not ROUTER.leads_here("/api/v1")
    assert not ROUTER.leads_here("/")


# -- api-versions -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("type_", "action", "first"),
    [
        ("", "", "2022-09-02-preview"),
        ("members", "", "2022-09-02-preview"),
        ("updateRuns", "", "2023-03-15-preview"),
        ("updateStrategies", "", "2023-08-15-preview"),
        ("autoUpgradeProfiles", "", "2024-05-02-preview"),
        ("gates", "", "2025-04-01-preview"),
        ("updateRuns", "skip", "2024-02-02-preview"),
        ("autoUpgradeProfiles", "generateUpdateRun", "2025-03-01"),
    ],
)
def test_a_version_serves_what_it_knew(type_: str, action: str, first: str) -> None:
    for version in versions.VERSIONS:
        if version >= first:
            assert versions.checked(version.upper(), type_, action) == version
        else:
            with pytest.raises(ArmError) as refusal:
                versions.checked(version, type_, action)
            assert refusal.value.code == "NoRegisteredProviderFound"
            assert first in refusal.value.message


@pytest.mark.parametrize(("version", "code"), [("", "MissingApiVersionParameter"), ("2099-01-01", "NoRegistered")])
def test_no_version_and_unknown_ones_are_refused(version: str, code: str) -> None:
    with pytest.raises(ArmError) as refusal:
        versions.checked(version, "members")
    assert (refusal.value.status, refusal.value.code[: len(code)]) == (400, code)


def test_a_body_holds_what_the_version_knew_and_all_that_users_named() -> None:
    body = {"properties": {"group": "g", "labels": {"group": "x"}}, "tags": {"maxConcurrency": "1"}, "eTag": "e"}
    assert versions.shaped(body, "2026-06-01") == body
    assert versions.shaped(body, "2022-09-02-preview") == {"properties": {}, "tags": body["tags"], "eTag": "e"}
    scope = {"stages": [{"name": "s", "maxConcurrency": "1", "maxAllowedFailures": "2", "beforeGates": []}]}
    assert versions.shaped(scope, "2025-03-01") == {"stages": [{"name": "s"}]}
    assert versions.shaped(scope, "2026-06-01") == {"stages": [{"name": "s", "maxConcurrency": "1", "beforeGates": []}]}
    assert versions.shaped(scope, "2026-06-02-preview") == scope


# -- filters ------------------------------------------------------------------------------------


def a_gate(state: str) -> Gate:
    target = GateTarget(update_run="r", stage="s", timing="Before")
    gate = Gate(metadata=ObjectMeta(name="g"), spec=GateSpec(gate_type="Approval", target=target))
    return gate.__class__(metadata=gate.metadata, spec=gate.spec, status=type(gate.status)(state=state))


def a_member(**labels: str) -> MemberCluster:
    return MemberCluster(
        metadata=ObjectMeta(name="m1", labels=labels), spec=MemberClusterSpec(identity=Subject(kind="User", name="u"))
    )


@pytest.mark.parametrize(
    ("text", "holds"),
    [
        ("", True),
        ("state eq Pending", True),
        ("state eq 'Pending'", True),
        ("properties/state eq pending", True),
        ("STATE EQ 'PENDING' and gateType eq Approval", True),
        ("state ne Pending", False),
        ("state eq Completed", False),
        ("name eq g and state ne Completed", True),
    ],
)
def test_gates_by_filter(text: str, holds: bool) -> None:
    assert matches_gate(parse_filter(text), a_gate("Pending")) is holds


def test_members_by_filter() -> None:
    member = a_member(**{"fleet.echelon.dev/update-group": "blue", "env": "prod"})
    assert matches_member(parse_filter("group eq blue and labels/env eq 'prod' and labels/none eq ''"), member)
    assert not matches_member(parse_filter("group eq green"), member)


@pytest.mark.parametrize("text", ["state", "state eq", "state gt 1", "a eq b or c eq d", "a eq b and", "'x' eq y"])
def test_what_is_no_filter_is_refused(text: str) -> None:
    with pytest.raises(ArmError, match="is no filter") as refusal:
        matches_gate(parse_filter(text), a_gate("Pending"))
    assert refusal.value.target == "$filter"


def test_a_filter_by_something_else_says_by_what_one_can() -> None:
    with pytest.raises(ArmError, match="accepted are gatetype, name, state"):
        matches_gate(parse_filter("colour eq red"), a_gate("Pending"))


@given(st.lists(st.tuples(WORDS, st.sampled_from(["eq", "NE"]), st.text(max_size=8)), max_size=3))
def test_filters_are_read_as_they_are_written(terms: list[tuple[str, str, str]]) -> None:
    written = [(f"f{field}", operator, value) for field, operator, value in terms]
    text = " and ".join(f"{f} {o} '" + value.replace("'", "''") + "'" for f, o, value in written)
    read = [(term.field, term.equal, term.value) for term in parse_filter(text)]
    assert read == [(field, operator == "eq", value) for field, operator, value in written]


# -- tags of states -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "header", ["*", etag(META), etag(META).strip('"'), f"W/{etag(META)}", f'"other", {etag(META)}']
)
def test_if_match_takes_the_tag_in_every_spelling(header: str) -> None:
    check_preconditions(META, header, None)


@pytest.mark.parametrize(
    ("present", "if_match", "if_none_match"),
    [(META, '"other"', None), (None, "*", None), (None, '"x"', None), (META, None, "*"), (META, None, etag(META))],
)
def test_a_state_that_is_not_the_clients_is_refused(
    present: ObjectMeta | None, if_match: str | None, if_none_match: str | None
) -> None:
    with pytest.raises(ArmError) as refusal:
        check_preconditions(present, if_match, if_none_match)
    assert (refusal.value.status, refusal.value.code) == (412, "PreconditionFailed")


def test_none_there_is_what_if_none_match_wants() -> None:
    check_preconditions(None, None, "*")
    check_preconditions(META, None, '"other"')


def test_system_data_says_who_and_when() -> None:
    notes = {"fleet.echelon.dev/created-by": "ann", "fleet.echelon.dev/last-modified-by": "bob"}
    written = ObjectMeta(name="x", annotations=notes, creation_timestamp="2026-01-31T08:00:00Z")
    data = system_data(written)
    assert (data["createdBy"], data["lastModifiedBy"]) == ("ann", "bob")
    assert data["createdAt"] == data["lastModifiedAt"] == "2026-01-31T08:00:00Z"
    assert "createdBy" not in system_data(META)


# -- ids ----------------------------------------------------------------------------------------


def test_ids() -> None:
    assert str(ID) == "/subscriptions/s/resourceGroups/Group/providers/Microsoft.ContainerService/fleets/Fleet"
    assert ID.of("members", "m") == f"{ID}/members/m"
    assert ID.same_as(FleetId("S", "gROUP", "fleet"))
    assert last_name(ID.of("updateStrategies", "One"), "updatestrategies") == "One"
    assert last_name(str(ID), "members") is None
    assert last_name("members/m", "members") is None


@pytest.mark.parametrize(("name", "good"), [("a", True), ("a-1", True), ("-a", False), ("A", False), ("a" * 51, False)])
def test_names(name: str, good: bool) -> None:
    assert is_name(name, 50) is good


@given(st.text(max_size=60))
def test_addresses_of_operations_that_were_not_given_are_told_apart(text: str) -> None:
    assert read_state(text) is None or isinstance(read_state(text), tuple)


# -- complaints ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("code", "status", "name"),
    [
        (401, 401, "InvalidAuthenticationToken"),
        (403, 403, "AuthorizationFailed"),
        (404, 404, "ResourceNotFound"),
        (409, 409, "Conflict"),
        (413, 413, "RequestEntityTooLarge"),
        (422, 400, "InvalidParameter"),
        (429, 429, "TooManyRequests"),
        (500, 503, "ServerUnavailable"),
        (503, 503, "ServerUnavailable"),
    ],
)
def test_complaints_of_the_hub(code: int, status: int, name: str) -> None:
    told = from_hub(ApiError("no", code=code, reason="Reason"), {})
    assert (told.status, told.code) == (status, name)
    assert ("Retry-After" in told.headers) is (status in (429, 503))


def test_causes_stand_where_the_client_knows_them() -> None:
    causes = [
        {"field": "spec.updateStrategyName", "message": "no"},
        {"field": "spec.strategy.stages[0].name", "message": "bad"},
    ]
    error = ApiError("refused", code=422, reason="Invalid", details={"causes": causes})
    fields = {"spec": "properties", "spec.updateStrategyName": "properties.updateStrategyId"}
    told = from_hub(error, fields)
    assert told.target == "properties.updateStrategyId"
    assert [detail.target for detail in told.details] == [
        "properties.updateStrategyId",
        "properties.strategy.stages[0].name",
    ]
    assert "1 more" in told.message
