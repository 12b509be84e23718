"""Why an object is as it is: where it stands, what it waits for, since when, and what would unblock it.

A module for each family of objects. The pure ``explain_…`` functions make an ``Explanation`` of an object and
what belongs to it; the ``…_by_name`` coroutines read that from the hub. Whatever waits says so itself in its
status: an explanation follows the trail from there, and ends with the command to type.
"""
