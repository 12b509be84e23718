"""The ARM-compatible face: ``az fleet``, the Azure SDKs and Terraform, over the kinds of a hub.

Everything is a translation to and from the hub's objects, asked and done with the token of the caller. There is no
store here: what kubectl changes shows at once, and the other way round. The parts, each a module:

``face``
    the ASGI application; ``routes`` are its operations, ``router`` finds them, ``requests`` reads what came
``around``
    what clients ask for around fleets: clouds, tenants, subscriptions, providers (``surroundings``)
``groups``
    resource groups, which are created before the fleets that they hold
``clusters``
    managed clusters, which are created before they become members; ``releases``, the versions that they can have
``identity``, ``signing_in``
    the OpenID endpoints, over the hub's own tokens
``handlers``
    what each operation does on the hub
``translation``
    resources to and from the hub's kinds; pure
``versions``, ``ids``, ``envelope``, ``filters``, ``errors``
    what each api-version knew, ids, what stands around the properties, ``$filter``, ARM's form of a failure
``directory``
    what the face needs of those who serve it: which hubs there are and how to reach them

What may be asked of an update run is judged by rules that are handed in (``call.Rules``): they belong to those who
carry runs out. Operations answer when they are done, as clients accept that everywhere; only the leaving of a
member may take longer, and then has an address where it is asked about.
"""
