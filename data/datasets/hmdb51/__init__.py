"""HMDB-51: 51 classes of human motion from films and web videos, in three splits."""
