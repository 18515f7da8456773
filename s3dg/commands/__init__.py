"""The console program `s3dg`: a module per verb, with `define_flags()` and `main(arguments)`.

What they do needs a network and video files, and no dataset. `s3dg.__main__` runs them.
"""

from typing import NamedTuple


class Verb(NamedTuple):
    """The module of a verb, whether it takes words that are not flags, and what it does."""

    module: str
    takes_arguments: bool
    summary: str


VERBS = {
    name: Verb(f's3dg.commands.{name.replace("-", "_")}', takes_arguments, summary)
    for name, takes_arguments, summary in (
        ('classify', True, 'names what is seen in videos'),
        ('features', True, 'writes features of videos to files'),
        ('fvd', True, 'tells how far generated videos are from real ones'),
        ('detect', True, 'draws found actions onto videos, and writes them as rows'),
        ('explain', True, 'shows where and when videos speak for a class'),
        ('import-weights', False, 'makes a network of a released checkpoint'),
        ('export', False, 'makes a SavedModel of a network'),
        ('cost', False, 'counts the parameters and multiply-adds of a network'),
    )
}
