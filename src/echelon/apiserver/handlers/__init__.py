"""The verbs: each handler takes a request on a resource and gives the answer."""
