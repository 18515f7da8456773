"""From flags to a trained network: `options`, `presets`, `recipe` and `training_run`."""
