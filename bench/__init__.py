"""Measures a fresh embedded hub against the budgets of the design: ``make bench``.

Each scenario runs in a process of its own, on data in a temporary folder on disk. Times are of the
machine at hand and vary with it; counts do not.
"""
