"""Entry points: one per table and figure of the paper, and the everyday tools that need a dataset.

`paper` conducts what reproduces a table or figure, `training` goes from flags to a trained network.
"""

import os
import sys

# As `python -m experiments.NAME` imports this package; elsewhere nothing happens here. Python's own
# words end with the name of the module.
if sys.argv[:1] == ['-m'] and f'{__name__}.' in sys.orig_argv[-len(sys.argv)]:
    _VARIABLE = 'S3DG_WITHOUT_TENSORFLOW'
    _given = os.environ.get(_VARIABLE)
    os.environ[_VARIABLE] = '1'  # else `s3dg` would import it, before it has been quietened
    try:
        from s3dg.program import startup
    finally:
        del os.environ[_VARIABLE]
        if _given is not None:
            os.environ[_VARIABLE] = _given
    startup.prepare(sys.argv[1:])
