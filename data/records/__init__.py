"""What lies on disk: shards of records, and the files beside them.

`tfrecord` is the framing of the files. `read` and `decode` are TensorFlow's pipeline; `heads` reads
all of a record but its frames. `verification` holds a dataset against its own description, with
`checks` of one record or frame and `pictures`, which decodes many; `faults` names what a pipeline
could not read. `outcomes` are the lists of stored and of skipped videos; `cells` makes them safe to
open in spreadsheets.
"""
