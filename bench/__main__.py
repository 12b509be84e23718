"""``python -m bench [SCENARIO…]``: run the scenarios and print a table."""

from __future__ import annotations

import argparse
import json
import platform
import subprocess
import sys

from bench.figures import Figure, table

SCENARIOS = ("startup", "overhead", "fleet", "upgrade", "apiserver", "arm", "idle")
LONG = ("thousand", "hundred", "restart")


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument(
        "scenario", nargs="*", help=f"which to run: {', '.join(SCENARIOS)} (default: these), {', '.join(LONG)}"
    )
    parser.add_argument("--json", action="store_true", help="print the figures as JSON")
    options = parser.parse_args()
    unknown = sorted(set(options.scenario) - {*SCENARIOS, *LONG})
    if unknown:
        parser.error(f"no scenario {', '.join(unknown)}; there is {', '.join((*SCENARIOS, *LONG))}")
    figures: list[Figure] = []
    for name in options.scenario or SCENARIOS:
        print(f"{name}…", file=sys.stderr, flush=True)
        figures += _run(name)
    if options.json:
        print(json.dumps([figure.plain() for figure in figures], indent=1))
    else:
        print(f"Python {platform.python_version()}, {platform.machine()}\n")
        print(table(figures))
    sys.exit(any(not figure.met for figure in figures))


def _run(name: str) -> list[Figure]:
    """A scenario in a fresh process."""
    done = subprocess.run([sys.executable, "-m", f"bench.{name}"], stdout=subprocess.PIPE, text=True, check=True)
    return [Figure.of(plain) for plain in json.loads(done.stdout)]


main()
