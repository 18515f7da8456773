"""From a builder's listing to a dataset on disk: `convert`, which resumes what was interrupted.

`staging` plans the shards and knows what of them is done; `beam` writes them on a cluster.
"""
