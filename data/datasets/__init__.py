"""Which videos there are: a folder per dataset, by the conventions of TensorFlow Datasets.

`builder` is what they share; `lists`, `pickles` and `act_tubes` read the published annotations.
`description` checks what a dataset on disk says of itself.
"""
