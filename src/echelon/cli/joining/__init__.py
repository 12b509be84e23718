"""Clusters join a fleet and leave it: what is done on the hub and what on the member, and what speaks against it.

Both ends are reached from where the command runs; neither has to reach the other for it.
"""
