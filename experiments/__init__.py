"""Entry points: one per table and figure of the paper, and the everyday tools."""

import sys

if (
    sys.argv[0] == '-m'
):  # as `python -m experiments.NAME` imports it; elsewhere nothing happens here
    from experiments import startup

    startup.prepare(sys.argv[1:])
