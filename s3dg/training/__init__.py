"""Training: `loop.train` runs `steps` under a strategy of `devices`, with a schedule of `schedules`.

`trainable` says what of a network learns, `checkpoints` and `history` what a run leaves, `signals`
how it is stopped, and `evaluation` what it has come to.
"""
