"""What clients ask for around fleets: clouds, tenants, subscriptions, resource groups, providers.

There is one tenant, and the subscriptions are those of the fleets that the caller sees. All of it is told from the
fleets' own names.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from echelon.arm.ids import PROVIDER

TENANT = "00000000-0000-0000-0000-00000000feed"
TENANT_NAME = "Echelon"

_TYPES = ("fleets", "fleets/members", "fleets/updateRuns", "fleets/updateStrategies")
_MORE_TYPES = ("fleets/autoUpgradeProfiles", "fleets/gates", "managedClusters", "locations/operations")


def cloud(base: str) -> dict[str, Any]:
    """The endpoints of this cloud, in the form of api-versions since 2019."""
    return {
        "name": "Echelon",
        "portal": base,
        "authentication": {
            "loginEndpoint": base,
            "audiences": [base],
            "tenant": "common",
            "identityProvider": "AAD",
        },
        "graphAudience": base,
        "graph": base,
        "microsoftGraphResourceId": base,
        "resourceManager": base,
        "gallery": base,
        "batch": base,
        "media": base,
        "vmImageAliasDoc": base,
        "sqlManagement": base,
        "activeDirectoryDataLake": base,
        "suffixes": {},
    }


def old_cloud(base: str) -> dict[str, Any]:
    """The endpoints of this cloud, in the form of api-version 2015-01-01."""
    return {
        "galleryEndpoint": base,
        "graphEndpoint": base,
        "portalEndpoint": base,
        "authentication": {"loginEndpoint": base, "audiences": [base]},
    }


def subscription(id_: str) -> dict[str, Any]:
    return {
        "id": f"/subscriptions/{id_}",
        "subscriptionId": id_,
        "tenantId": TENANT,
        "displayName": "Echelon",
        "state": "Enabled",
        "subscriptionPolicies": {"spendingLimit": "Off", "quotaId": "Echelon", "locationPlacementId": "Echelon"},
        "authorizationSource": "RoleBased",
        "managedByTenants": [],
    }


def tenant() -> dict[str, Any]:
    return {"id": f"/tenants/{TENANT}", "tenantId": TENANT, "displayName": TENANT_NAME, "tenantCategory": "Home"}


def resource_group(id_: str, location: str, tags: Mapping[str, str]) -> dict[str, Any]:
    return {
        "id": id_,
        "name": id_.rpartition("/")[2],
        "type": "Microsoft.Resources/resourceGroups",
        "location": location,
        "tags": dict(tags),
        "properties": {"provisioningState": "Succeeded"},
    }


def location(subscription_id: str, name: str) -> dict[str, Any]:
    """A place where fleets are."""
    return {
        "id": f"/subscriptions/{subscription_id}/locations/{name}",
        "name": name,
        "type": "Region",
        "displayName": name,
        "regionalDisplayName": name,
        "metadata": {"regionType": "Physical", "regionCategory": "Recommended", "pairedRegion": []},
    }


def provider(subscription_id: str, namespace: str, versions: Sequence[str], location: str) -> dict[str, Any]:
    """A resource provider, registered."""
    types = [
        {
            "resourceType": type_,
            "locations": [location],
            "apiVersions": list(reversed(versions)),
            "capabilities": "None",
        }
        for type_ in (*_TYPES, *_MORE_TYPES)
    ]
    return {
        "id": f"/subscriptions/{subscription_id}/providers/{namespace}",
        "namespace": namespace,
        "registrationPolicy": "RegistrationRequired",
        "resourceTypes": types if namespace.lower() == PROVIDER.lower() else [],
        "registrationState": "Registered",
    }


NAMESPACES = (PROVIDER, "Microsoft.Resources")
"""The resource providers that are served here; any other is registered, with nothing in it."""

_RESOURCES = (
    ("fleets", "Fleet", ("read", "write", "delete", "listCredentials/action")),
    ("fleets/members", "Fleet Member", ("read", "write", "delete")),
    ("fleets/updateRuns", "Update Run", ("read", "write", "delete", "start/action", "stop/action", "skip/action")),
    ("fleets/updateStrategies", "Update Strategy", ("read", "write", "delete")),
    ("fleets/autoUpgradeProfiles", "Auto Upgrade Profile", ("read", "write", "delete", "generateUpdateRun/action")),
    ("fleets/gates", "Gate", ("read", "write")),
)
_WORDS = {"read": "Get or list", "write": "Create or update", "delete": "Delete"}


def operations() -> list[dict[str, Any]]:
    """What can be done with fleets, by the names that roles use."""
    return [
        {
            "name": f"{PROVIDER}/{type_}/{verb}",
            "isDataAction": False,
            "origin": "user,system",
            "display": {
                "provider": "Microsoft Container Service",
                "resource": title,
                "operation": f"{_WORDS.get(verb, verb.removesuffix('/action'))} {title}",
                "description": f"{_WORDS.get(verb, verb.removesuffix('/action'))} {title}",
            },
        }
        for type_, title, verbs in _RESOURCES
        for verb in verbs
    ]
