"""What a network answers is numbers, or an error: never NaN or infinity taken for an answer."""

import numpy as np

from s3dg.errors import S3dgError


class NonFiniteAnswerError(S3dgError, ArithmeticError):
    """A network answered with what is no number; the message says which answer."""


def non_finite_weight(network):
    """The path of the first of a network's variables that holds NaN or infinity; None without one.

    Its answers need not tell: TensorFlow's ReLU makes zeros of NaN.
    """
    for variable in network.variables:
        values = variable.numpy()
        if np.issubdtype(values.dtype, np.floating) and not np.isfinite(values).all():
            return variable.path
    return None


def require_finite(values, what):
    """Refuses an answer that holds NaN or infinity.

    Args:
      values: an array, or a tensor outside of graphs.
      what: says what it is, beginning the message.

    Returns:
      `values`.

    Raises:
      NonFiniteAnswerError: with how many of the numbers are none.
    """
    finite = np.isfinite(np.asarray(values, 'float32'))
    if not finite.all():
        raise NonFiniteAnswerError(
            f'{what}: {finite.size - finite.sum()} of {finite.size} numbers are NaN or infinite, expected '
            f'none: the network, or the precision it runs in, cannot be used.'
        )
    return values
