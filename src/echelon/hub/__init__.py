"""A hub on a Kubernetes cluster that its users already have.

``controllers``
    which controllers a hub has, and which upgrade providers; the embedded hub has the same
``settings``
    how they behave: a file, which an installed hub has from a ConfigMap
``rights``
    what they may do; the role is the same on the embedded hub
``process``
    a replica: it checks the cluster, stands for election, and works while it leads
``serving``
    web faces beside it: ``portal``, and ``azure``, the fleet that it is for clients of ARM
``values``, ``manifests``, ``chart``
    what is put on the cluster for that, the same by ``echelon hub install`` and by Helm
``install``, ``removal``
    putting it there and taking it away; ``others`` finds whose the kinds are that are there, ``older`` knows what
    older servers cannot be given
``report``
    what is there and what is wrong with it

Nothing here knows of the embedded API server or of the command line.
"""
