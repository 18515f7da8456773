"""Which videos there are: a folder per dataset, by the conventions of TensorFlow Datasets.

`builder` is what they share, `facts` what is known of one before it is on disk. `lists`, `pickles`
and `act_tubes` read the published annotations; `detection` and `tubes` are for the sets with boxes.
`class_names` and `description` check what a dataset on disk says of itself.
"""
