"""The console program `s3dg`: a module per verb, with `define_flags()` and `main(arguments)`.

What they do needs a network and video files, and no dataset. `s3dg.__main__` runs them.
"""

from typing import NamedTuple


class Verb(NamedTuple):
    """A verb of the program.

    Attributes:
      module: where its `define_flags` and `main` are.
      takes_arguments: whether it takes words that are not flags.
      summary: what it does, for the list of verbs.
    """

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
