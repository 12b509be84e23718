"""The portal: the hub as pages for a browser.

For whoever adds a page. A page is four small things, and none of them knows of the network, of time or of each other's
insides:

``views/<topic>.py``
    pure functions from objects (as they were read) to frozen structs: what the page shows. Unit tests go here
``templates/<page>/*.html``
    Jinja2 over these structs. ``page.html`` extends ``base`` (the variable) and places regions with
    ``{{ regions["id"] }}``; a region's template has one root element with ``id="{{ region }}"``. ``macros.html`` has
    chips, bars, buttons and forms
``pages/<page>.py``
    the ``Page``: its path, the kinds that it shows, the rights that it asks about (``rights.to(verb, kind)``), and
    ``show``, which calls the view and names the regions. ``Action``s are what its forms do, each an async function
    that writes with ``visit.client``, and gives ``Done`` (the page shows it by itself), ``Leads`` (elsewhere) or
    ``Part`` (a piece of a form); ``Refused`` is raised with sentences
``pages/__init__.py``
    lists the modules, and the navigation

What a page gets for that: its kinds are watched with the user's own client (``users``), so a page never waits for the
hub once it has been open; its regions are sent over one event stream whenever their text has changed (``live``), so
there is no code for updates; what the user may not do is ``visit.may(...) == False``; forms are guarded (``guard``,
``site``) by the macro ``form``, which has the session's token in it.

Rules that keep it so. The text of a page depends on objects only: a moment is written by the filters ``at``, ``ago``,
``until`` and goes on counting in the browser (``static/portal.js``). Regions are small, a stage or a list each, as what
changes is sent as a whole; lists of more than a hundred are paged. No inline script, no ``style``: widths are
attributes of SVG (``{{ share(...) }}``), colours are classes of tone (good, busy, warn, bad, idle, skipped). Every
picture has its words. Everything works without script, but for what moves by itself.

The parts: ``site`` (the ASGI application), ``sessions`` and ``signing_in`` (who is in), ``guard`` (who is kept out),
``users`` (clients and caches), ``rights``, ``page`` (what a page is), ``showing`` and ``rendering`` (text), ``live``
(streams), ``failures`` (what is told of errors), ``assets`` (files), ``given`` (what is handed in).

    portal = app(Given(connect=…, rules=intents, plan=…, generate=…))
    portal.serves(path); await portal(scope, receive, send); portal.link(token); await portal.close()
"""

from __future__ import annotations

from echelon.portal.given import Given
from echelon.portal.site import Portal

__all__ = ["Given", "Portal", "app"]


def app(given: Given) -> Portal:
    """The portal of one hub: an ASGI application; see ``Portal``."""
    return Portal(given)
