"""Views: what pages show, made of objects. Pure: no client, no clock, no text for browsers."""
