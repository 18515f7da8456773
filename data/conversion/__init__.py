"""From a builder's listing to a dataset on disk: `convert`, which resumes what was interrupted.

`plan` decides what is to be done, with `sources` for the state of the files, and is carried through
the other rooms. `staging` knows what of it is done; `write` writes the shards on this machine,
`beam` on a cluster; `convert` makes a dataset of them.
"""
