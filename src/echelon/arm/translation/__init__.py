"""Resources to and from the hub's kinds. Pure: what the hub judges is not judged here."""
