"""Overrides: what is placed differs from member to member.

A user writes an override; ``snapshots`` keeps what it said under an index. ``choice`` finds the
snapshots that hit the content of a placement and, of these, the ones with a rule for a member; they
are named on the member's binding, by a rolling update as they are now, by a staged run as they were
when it was initialised. Work generation applies the snapshots that a binding names: ``matching`` says
which of them hit an object, ``patching`` what becomes of it.
"""
