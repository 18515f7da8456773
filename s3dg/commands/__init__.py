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
    'classify': Verb('s3dg.commands.classify', True, 'names what is seen in videos'),
    'features': Verb('s3dg.commands.features', True, 'writes features of videos to files'),
    'import-weights': Verb(
        's3dg.commands.import_weights', False, 'makes a network of a released checkpoint'
    ),
    'export': Verb('s3dg.commands.export', False, 'makes a SavedModel of a network'),
    'cost': Verb(
        's3dg.commands.cost', False, 'counts the parameters and multiply-adds of a network'
    ),
}
