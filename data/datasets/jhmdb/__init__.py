"""JHMDB: 21 classes of human actions with masks of the actor, in three splits."""
