"""The commands about clusters as such: members, update runs, strategies, gates, auto-upgrade profiles.

Nouns, verbs and flags are those of ``az fleet``, so that scripts and habits carry over; what they do is
done through the Kubernetes API of the hub and nothing else. A noun is described once (``nouns``), and the
verbs that all nouns have (show, list, delete, wait) are made from that (``verbs``). What a user may ask of
a run is judged before anything is written, by the same functions that the hub judges by, and a write holds
only for the object that was judged (``changing``).

Modules that read are light. Those that judge a run load ``echelon.upgrade``, and are loaded for it only.
"""
