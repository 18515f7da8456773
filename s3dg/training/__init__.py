"""Training: `loop.train` trains a network for a `task`, by the compiled `steps`.

`devices` says where it runs, `schedules` how fast it learns, and `trainable` which of its layers
learn. `checkpoints` and `history` are what a run leaves; `signals` stop it; `evaluation` measures
the result.
"""
