"""A user's own videos, one folder per class."""
