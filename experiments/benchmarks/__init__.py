"""What `experiments.benchmark` measures: each task is a comparison of sides that take turns.

`comparing` runs the sides of any task; `videos` has the tasks whose work is a video's frames,
`networks` those whose work is a network's; `torch_side` is torchvision's S3D as a further side, and
`profiling` tells which operations of TensorFlow take the time.
"""
