"""Datasets of videos on disk.

The way of a video: a builder of `datasets` lists it. `encoding` decodes it, in the processes of
`workers`, and encodes its frames (or the flow between them) as JPEG. `conversion` writes frames,
label and id to TFRecord shards, which `records` reads, checks and describes. `clips` makes batches
of them; `inspection` shows what is there. `catalog` goes from a dataset's name to its builder,
opens what has been converted, and knows what is published of the rest.

Glossary. listing: the videos of every split, before any is opened. split: "train", "validation" or
"test". record: a stored video, one entry of a TFRecord file. shard: one of the TFRecord files of a
split. frame: one picture of a record. clip: consecutive frames that a network is trained on.
window: consecutive frames that it is evaluated on; the windows of a video cover it.
"""
