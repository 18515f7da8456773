"""What lies on disk: shards of records, and the files beside them.

`examples` reads records and decodes their frames, `heads` reads all but the frames. `verification`
holds a dataset against its own description, with `checks` of one shard, record or frame and
`pictures` of many; `faults` names what a pipeline could not read. `outcomes` are the lists of the
stored and the skipped videos, with `cells` safe to open in spreadsheets.
"""
