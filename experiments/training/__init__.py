"""From flags to a trained network.

`options` reads the flags, `presets` has the set-ups, and both make a `recipe`, which with data at
hand becomes a `plan`: all that decides the result. `run` carries it out. `start` is where a network
starts, `dataset` what a plan asks of the data, `evaluating` how a split is seen.
"""
