"""The client side of Kubernetes, for controllers.

The parts, each a module: ``kubeconfig`` and ``credentials`` say where a server is and who we are;
``http`` and ``asgi`` are the two transports, over a socket and into a server in this process;
``client`` reads and writes objects; ``cache`` keeps the objects of a kind in memory by watching
(``reflector`` does the watching); ``queue`` holds what is to be reconciled; ``controller`` reconciles;
``manager`` runs controllers, ``leader`` lets one of several replicas do so, ``events`` tells users.
Import from the modules: a command that only reads objects should not pay for the rest.

A controller is a function from a name to a world in which the object of that name is as it should
be. It is called when something that concerns the object has happened, is not told what, looks at
the cache, and writes what is missing::

    class WidgetReconciler:
        def __init__(self, client: Client, cache: SharedCache) -> None:
            self.client = client
            self.cache = cache

        async def reconcile(self, request: Request) -> Result | None:
            widget = self.cache.get(Widget, request.key)
            if widget is None:
                return None                                     # gone; owned objects go by themselves
            status = WidgetStatus(ready=True, size=widget.spec.size)
            await self.client.patch_status(widget, replace(widget, status=status))
            return Result(requeue_after=60.0)                   # or None: nothing to wait for

    manager = Manager(client)
    reconciler = WidgetReconciler(client, manager.cache)
    manager.add(
        Controller(
            "widgets",
            reconciler.reconcile,
            For(Widget, generation_changed),
            Owns(Gadget, owner=Widget),
            Watches(Cluster, lambda cluster: [Request(cluster.metadata.namespace, "main")]),
            workers=4,
        )
    )
    await manager.run()                                         # until cancelled, or manager.stop()

What holds for controllers:

- **One at a time.** An object is never reconciled by two workers of a controller at once. What
  happens meanwhile makes one more pass, however much it is.
- **Errors come back.** What ``reconcile`` raises is logged and the request comes back later,
  exponentially later (5 ms to 1,000 s by default). ``Conflict`` is nothing special: read and try
  again. Raise ``TerminalError`` for what only a change of the object can mend.
- **Wake-ups.** ``requeue_after`` is a deadline, for things that time brings about. What happens on a
  server is found by watching it, not by looking again and again.
- **You see your own writes.** Every write of the manager's client is put into the cache before it
  returns, if it is newer than what the cache has, and older watch events are passed over. So the
  next pass never acts on an object from before its own write. There is one exception, deletion: a
  deleted object stays in the cache until the watch says so. Delete with ``missing_ok`` and, where
  the name may be used again, ``uid``.
- **Lost answers.** A write may have taken place although it raised ``Unreachable``. Derive the names
  of what you create from what it is for; then the next pass meets ``AlreadyExists``, not a twin.
- **The cache is shared and read-only.** Structs cannot be changed, dicts must not be.
- **Nothing acts before the cache is complete.** Controllers start when all caches they watch have
  synced. A cache that cannot reach its server, or meets an object that it cannot decode, stays as it
  is, says so in the log and tries on; it never forgets objects because of an error.

Tests use ``echelon.kube.testing.FakeServer``, behind an ``AsgiTransport``, in virtual time
(``@pytest.mark.looptime``): all timers here are timers of the event loop, and moments come from a
``Clock``.
"""
