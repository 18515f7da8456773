"""Which videos there are: a folder per dataset, by the conventions of TensorFlow Datasets.

`builder` is what they share, `detection` what those with boxes do. `facts` is what is known of one
before it is on disk, `description` what one on disk says of itself. `lists`, `pickles` and
`act_tubes` read the published annotations.
"""
