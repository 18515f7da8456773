"""Pictures as PNG files."""

import contextlib

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from s3dg import files


@contextlib.contextmanager
def drawing(path, size):
    """A matplotlib figure that is written to a file when the block is left.

    There is no pyplot in it: no global state, and no window system is ever looked for.

    Args:
      path: PNG file to write.
      size: (width, height) in inches.
    """
    figure = Figure(figsize=size, layout='constrained')
    FigureCanvasAgg(figure)
    yield figure
    with files.unfinished(path) as temporary:
        figure.savefig(temporary, dpi=110, bbox_inches='tight', pad_inches=0.1)
