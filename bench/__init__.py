"""Measures a fresh embedded hub against the budgets of the design: ``make bench``.

Each scenario runs in a process of its own, on data in a temporary folder on disk. Times are of the
machine at hand and vary with it; counts do not.
"""

from __future__ import annotations

import logging
import sys

import structlog

# The output of a scenario is its figures; what the parts have to say goes to standard error, warnings only.
structlog.configure(
    wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING),
    logger_factory=structlog.PrintLoggerFactory(sys.stderr),
)
