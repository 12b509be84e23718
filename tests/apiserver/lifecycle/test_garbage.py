"""Owner references: what goes with what."""

from __future__ import annotations

from typing import Any

CONFIGMAPS = "/api/v1/namespaces/default/configmaps"


def owned_by(owner: Any, **more: Any) -> list[dict[str, Any]]:
    return [
        {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "name": owner["metadata"]["name"],
            "uid": owner["metadata"]["uid"],
            **more,
        }
    ]


async def create(api: Any, obj: Any) -> Any:
    reply = await api.post(CONFIGMAPS, obj)
    assert reply.status == 201, reply
    return reply.json


async def test_dependents_go_after_their_owner(api: Any, config_map: Any) -> None:
    owner = await create(api, config_map("owner"))
    child = await create(api, config_map("child", ownerReferences=owned_by(owner)))
    await create(api, config_map("grandchild", ownerReferences=owned_by(child)))
    await api.delete(CONFIGMAPS + "/owner")
    await api.until_gone(CONFIGMAPS, "grandchild")
    assert (await api.get(CONFIGMAPS + "/child")).status == 404


async def test_a_dependent_of_what_never_was_goes_at_once(api: Any, config_map: Any) -> None:
    ghost = {"metadata": {"name": "ghost", "uid": "no-such-uid"}}
    await create(api, config_map("child", ownerReferences=owned_by(ghost)))
    await api.until_gone(CONFIGMAPS, "child")


async def test_another_object_of_the_same_name_is_not_the_owner(api: Any, config_map: Any) -> None:
    owner = await create(api, config_map("owner"))
    await api.delete(CONFIGMAPS + "/owner")
    await create(api, config_map("owner"))
    await create(api, config_map("child", ownerReferences=owned_by(owner)))
    await api.until_gone(CONFIGMAPS, "child")
    assert (await api.get(CONFIGMAPS + "/owner")).status == 200


async def test_one_owner_left_is_enough(api: Any, config_map: Any) -> None:
    one, two = await create(api, config_map("one")), await create(api, config_map("two"))
    await create(api, config_map("child", ownerReferences=owned_by(one) + owned_by(two)))
    await api.delete(CONFIGMAPS + "/one")
    child = await api.until(CONFIGMAPS, "child", lambda obj: len(obj["metadata"]["ownerReferences"]) == 1)
    assert child["metadata"]["ownerReferences"][0]["name"] == "two"
    await api.delete(CONFIGMAPS + "/two")
    await api.until_gone(CONFIGMAPS, "child")


async def test_an_owner_in_the_foreground_waits_for_dependents_that_block_it(api: Any, config_map: Any) -> None:
    owner = await create(api, config_map("owner"))
    references = owned_by(owner, blockOwnerDeletion=True)
    await create(api, config_map("child", ownerReferences=references, finalizers=["example.com/hold"]))
    marked = (await api.delete(CONFIGMAPS + "/owner", {"propagationPolicy": "Foreground"})).json
    assert marked["metadata"]["finalizers"] == ["foregroundDeletion"]
    await api.until(CONFIGMAPS, "child", lambda obj: "deletionTimestamp" in obj["metadata"])
    assert (await api.get(CONFIGMAPS + "/owner")).status == 200
    await api.patch(CONFIGMAPS + "/child", {"metadata": {"finalizers": None}})
    await api.until_gone(CONFIGMAPS, "owner")


async def test_an_owner_in_the_foreground_does_not_wait_for_others(api: Any, config_map: Any) -> None:
    owner = await create(api, config_map("owner"))
    await create(api, config_map("child", ownerReferences=owned_by(owner), finalizers=["example.com/hold"]))
    await api.delete(CONFIGMAPS + "/owner", {"propagationPolicy": "Foreground"})
    await api.until_gone(CONFIGMAPS, "owner")
    await api.until(CONFIGMAPS, "child", lambda obj: "deletionTimestamp" in obj["metadata"])


async def test_foreground_goes_down_the_generations(api: Any, config_map: Any) -> None:
    owner = await create(api, config_map("owner"))
    child = await create(api, config_map("child", ownerReferences=owned_by(owner, blockOwnerDeletion=True)))
    references = owned_by(child, blockOwnerDeletion=True)
    await create(api, config_map("grandchild", ownerReferences=references, finalizers=["example.com/hold"]))
    await api.delete(CONFIGMAPS + "/owner", {"propagationPolicy": "Foreground"})
    await api.until(CONFIGMAPS, "grandchild", lambda obj: "deletionTimestamp" in obj["metadata"])
    assert (await api.get(CONFIGMAPS + "/child")).json["metadata"]["finalizers"] == ["foregroundDeletion"]
    await api.patch(CONFIGMAPS + "/grandchild", {"metadata": {"finalizers": None}})
    await api.until_gone(CONFIGMAPS, "owner")


async def test_orphans_stay(api: Any, config_map: Any) -> None:
    owner = await create(api, config_map("owner"))
    await create(api, config_map("child", ownerReferences=owned_by(owner)))
    await api.delete(CONFIGMAPS + "/owner", {"propagationPolicy": "Orphan"})
    await api.until_gone(CONFIGMAPS, "owner")
    assert "ownerReferences" not in (await api.get(CONFIGMAPS + "/child")).json["metadata"]


async def test_an_owner_of_unknown_kind_counts_as_there(api: Any, config_map: Any, server: Any) -> None:
    reference = {"apiVersion": "unknown.example.com/v1", "kind": "Thing", "name": "x", "uid": "u"}
    await create(api, config_map("child", ownerReferences=[reference]))
    other = await create(api, config_map("other", ownerReferences=owned_by({"metadata": {"name": "x", "uid": "y"}})))
    assert other["metadata"]["name"] == "other"
    await api.until_gone(CONFIGMAPS, "other")  # looked at after the child
    assert (await api.get(CONFIGMAPS + "/child")).status == 200


async def test_a_restart_finds_what_was_left(config_map: Any, server: Any, api: Any, clock: Any) -> None:
    owner = await create(api, config_map("owner"))
    await server.lifecycle.close()
    await create(api, config_map("child", ownerReferences=owned_by(owner)))
    await api.delete(CONFIGMAPS + "/owner")
    assert (await api.get(CONFIGMAPS + "/child")).status == 200
    again = type(server)(server.objects.keyspace, authenticator=server.authenticator, clock=clock)
    await again.start()
    await type(api)(again).until_gone(CONFIGMAPS, "child")
    await again.close()
