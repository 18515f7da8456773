"""A network answers with numbers, or with an error: NaN and infinity are never an answer."""

import numpy as np

from s3dg.errors import S3dgError


class NonFiniteAnswerError(S3dgError, ArithmeticError):
    """A network answered with NaN or infinity; the message says which answer."""


def non_finite_weight(network):
    """The path of a network's first variable that holds NaN or infinity; None if there is none.

    The network's answers may not show it: TensorFlow's ReLU makes zeros of NaN.
    """
    for variable in network.variables:
        values = variable.numpy()
        if np.issubdtype(values.dtype, np.floating) and not np.isfinite(values).all():
            return variable.path
    return None


def require_finite(values, what):
    """Returns an answer, an array or a tensor outside of graphs, that has no NaN or infinity.

    Raises:
      NonFiniteAnswerError: saying of `what`, which is the answer, how much is NaN or infinite.
    """
    finite = np.isfinite(np.asarray(values, 'float32'))
    if not finite.all():
        raise NonFiniteAnswerError(
            f'{what}: {finite.size - finite.sum()} of {finite.size} numbers are NaN or infinite, '
            f'expected none: the network, or the precision it runs in, cannot be used.'
        )
    return values
