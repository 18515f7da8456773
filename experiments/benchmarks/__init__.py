"""What `experiments.benchmark` measures: each task is a comparison of sides that take turns.

`comparing` runs the sides of any task; `videos` has the tasks whose work is a video's frames,
`networks` those whose work is a network's. Of these, `plain` is plain TensorFlow, `other_process`
runs that in another checkout or with other settings, `torch_side` is torchvision's S3D, and
`profiling` tells which operations of TensorFlow take the time.
"""
