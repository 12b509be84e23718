"""Questions about access: who am I, whose token is this, may this user do that, what may I do.

Reviews store nothing. Who may ask about others is decided by access rules like any other request.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from echelon.apiserver.access.accounts import ServiceAccounts
from echelon.apiserver.access.authorizer import RoleBasedAccess
from echelon.apiserver.authentication import Attributes, Authenticator, Authorizer, Credentials, User
from echelon.apiserver.definitions import Object
from echelon.apiserver.errors import FieldError, bad_request, invalid, invalid_value
from echelon.apiserver.handlers.context import Action, ActionRequest

AUTHENTICATION, AUTHORIZATION = "authentication.k8s.io", "authorization.k8s.io"
_ONE = "exactly one of nonResourceAttributes or resourceAttributes must be specified"


class Reviews:
    """Answers the reviews of both groups. ``roles`` is None where access does not follow from roles."""

    def __init__(
        self,
        authenticator: Authenticator,
        authorizer: Authorizer,
        accounts: ServiceAccounts,
        roles: RoleBasedAccess | None,
    ) -> None:
        self._authenticator = authenticator
        self._authorizer = authorizer
        self._accounts = accounts
        self._roles = roles

    def actions(self) -> Mapping[tuple[str, str], Action]:
        """What answers which review, by group and plural."""
        return {
            (AUTHENTICATION, "selfsubjectreviews"): self.self_subject,
            (AUTHENTICATION, "tokenreviews"): self.token,
            (AUTHORIZATION, "selfsubjectaccessreviews"): self.self_access,
            (AUTHORIZATION, "subjectaccessreviews"): self.access,
            (AUTHORIZATION, "localsubjectaccessreviews"): self.local_access,
            (AUTHORIZATION, "selfsubjectrulesreviews"): self.self_rules,
        }

    async def self_subject(self, request: ActionRequest) -> Object:
        return _answered(request.body, {"userInfo": request.user.info()})

    async def token(self, request: ActionRequest) -> Object:
        spec = request.body["spec"]
        token: str = spec.get("token", "")
        if not token:
            raise bad_request("token is required for TokenReview in authentication")
        asked = spec.get("audiences") or list(self._accounts.audiences)
        user = self._accounts.user_of(token, asked)
        accepted = self._accounts.accepted(token, asked) if user is not None else []
        if user is None and (accepted := [audience for audience in asked if audience in self._accounts.audiences]):
            user = await self._authenticator.authenticate(Credentials(token))
        if user is None:
            return _answered(request.body, {"user": {}, "error": "the token is not valid here"})
        return _answered(request.body, {"authenticated": True, "user": user.info(), "audiences": accepted})

    async def self_access(self, request: ActionRequest) -> Object:
        faults = list(_access_faults(request.body["spec"]))
        return self._answer(request, request.user, faults)

    async def access(self, request: ActionRequest) -> Object:
        spec = request.body["spec"]
        return self._answer(request, _subject(spec), [*_access_faults(spec), *_subject_faults(spec)])

    async def local_access(self, request: ActionRequest) -> Object:
        spec, namespace = request.body["spec"], request.namespace
        if request.body["metadata"].setdefault("namespace", namespace) != namespace:
            raise bad_request("the namespace of the provided object does not match the namespace sent on the request")
        faults = [*_access_faults(spec), *_subject_faults(spec)]
        wanted = spec.get("resourceAttributes")
        if wanted is not None and wanted.get("namespace", "") != namespace:
            path = "spec.resourceAttributes.namespace"
            faults.append(invalid_value(path, wanted.get("namespace", ""), "must match metadata.namespace"))
        if "nonResourceAttributes" in spec:
            path, given = "spec.nonResourceAttributes", spec["nonResourceAttributes"]
            faults.append(invalid_value(path, given, "disallowed on this kind of request"))
        return self._answer(request, _subject(spec), faults)

    async def self_rules(self, request: ActionRequest) -> Object:
        namespace = request.body["spec"].get("namespace", "")
        if not namespace:
            raise bad_request("no namespace on request")
        status: Object = {"resourceRules": [], "nonResourceRules": [], "incomplete": self._roles is None}
        if self._roles is None:
            return _answered(request.body, {**status, "evaluationError": "access does not follow from roles here"})
        held, fault = self._roles.rules(request.user, namespace)
        for rule in held:
            verbs = {"verbs": list(rule.verbs)}
            if rule.resources:
                about: Object = {"apiGroups": list(rule.api_groups), "resources": list(rule.resources)}
                if rule.resource_names:
                    about["resourceNames"] = list(rule.resource_names)
                status["resourceRules"].append({**verbs, **about})
            if rule.non_resource_urls:
                status["nonResourceRules"].append({**verbs, "nonResourceURLs": list(rule.non_resource_urls)})
        if fault:
            status["evaluationError"] = fault
        return _answered(request.body, status)

    def _answer(self, request: ActionRequest, user: User, faults: list[FieldError]) -> Object:
        definition = request.definition
        if faults:
            raise invalid(definition.group, definition.kind, "", faults)
        decision = self._authorizer.decide(user, _attributes(request.body["spec"]))
        status: Object = {"allowed": decision.allowed}
        if decision.reason:
            status["reason"] = decision.reason
        return _answered(request.body, status)


def _answered(review: Object, status: Object) -> Object:
    return {**review, "status": status}


def _attributes(spec: Object) -> Attributes:
    wanted = spec.get("resourceAttributes")
    if wanted is None:
        path = spec["nonResourceAttributes"]
        return Attributes(path.get("verb", ""), path=path.get("path") or "/")
    fields = ("verb", "group", "version", "resource", "subresource", "namespace", "name")
    return Attributes(*(wanted.get(field, "") for field in fields))


def _subject(spec: Object) -> User:
    return User(spec.get("user", ""), tuple(spec.get("groups") or ()), spec.get("uid", ""), spec.get("extra") or {})


def _access_faults(spec: Object) -> Iterator[FieldError]:
    resource, path = spec.get("resourceAttributes"), spec.get("nonResourceAttributes")
    if resource is not None and path is not None:
        yield invalid_value(
            "spec.nonResourceAttributes", path, "cannot be specified in combination with resourceAttributes"
        )
    if resource is None and path is None:
        yield invalid_value("spec.resourceAttributes", None, _ONE)


def _subject_faults(spec: Object) -> Iterator[FieldError]:
    if not spec.get("user") and not spec.get("groups"):
        yield invalid_value("spec.user", "", "at least one of user or group must be specified")
