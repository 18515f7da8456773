"""What a dataset on disk looks like: counts, charts, and sheets of frames."""
