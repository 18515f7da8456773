"""What a record holds: the keys of an example. No TensorFlow in here."""

# Keys of a stored example.
VIDEO = 'video'  # JPEG frames, in order
LABEL = 'label'
ID = 'id'  # stable, and free of local folders; unique within the dataset

UNKNOWN_LABEL = -1  # stored where a published test split keeps its labels to itself

# Channels of the frames that clips are cut from, and of the JPEG pictures that hold them.
CHANNELS = {'rgb': 3, 'flow': 2}
STORED_CHANNELS = {'rgb': 3, 'flow': 1}
