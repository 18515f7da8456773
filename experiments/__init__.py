"""Entry points: one per table and figure of the paper, and the everyday tools."""

import sys

# As `python -m experiments.NAME` imports this package; elsewhere nothing happens here.
if sys.argv[0] == '-m':
    from experiments import startup

    startup.prepare(sys.argv[1:])
