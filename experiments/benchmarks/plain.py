"""Plain TensorFlow: a compiled step or answer of a network, and a matrix product.

This process measures them, and so does another, where this file is run as a script in another
checkout of the project, or with other settings of TensorFlow. So it imports nothing of the project
but, as a script, what `s3dg` means to a user there: `s3dg.build`.
"""

import importlib
import json
import os
import signal
import sys
import time

MATRIX = 4096  # rows and columns
RATE, MOMENTUM = 1e-3, 0.9  # of the SGD of all training steps


def matrix_product(dtype):
    """A function that multiplies two matrices of 4096x4096 each time it is called."""
    import tensorflow as tf

    matrix = tf.cast(tf.random.normal([MATRIX, MATRIX]), dtype)
    multiply = tf.function(lambda: tf.matmul(matrix, matrix)[0, 0])
    return lambda: multiply().numpy()


def answer(network, jit):
    """A function from clips to a network's logits, as numbers."""
    import tensorflow as tf

    call = tf.function(lambda clips: network(clips, training=False), jit_compile=jit)
    return lambda clips: call(clips).numpy()


def step(network, labels, jit):
    """A function that takes one step of SGD on clips, with Keras's optimizer: the loss."""
    import keras
    import tensorflow as tf

    optimizer = keras.optimizers.SGD(RATE, momentum=MOMENTUM)
    optimizer.build(network.trainable_variables)

    def differentiate(clips):
        with tf.GradientTape() as tape:
            logits = network(clips, training=True)
            losses = tf.nn.sparse_softmax_cross_entropy_with_logits(labels, logits)
            loss = tf.reduce_mean(losses)
        return loss, tape.gradient(loss, network.trainable_variables)

    if jit:
        differentiate = tf.function(differentiate, jit_compile=True)

    @tf.function
    def take(clips):
        loss, gradients = differentiate(clips)
        optimizer.apply(gradients, network.trainable_variables)
        return loss

    return lambda clips: take(clips).numpy()


def for_a_while(function, count, seconds):
    """Calls `function`, each time `count` units, until `seconds` have passed: the units."""
    started, total = time.perf_counter(), 0.0
    while time.perf_counter() - started < seconds:
        function()
        total += count
    return total


def _network_work(words):
    """What a turn calls, of the network that the words name: (function, clips of a call)."""
    import keras
    import numpy as np
    import tensorflow as tf

    import s3dg

    keras.config.set_dtype_policy(words['dtype'])
    network = s3dg.build(words['network'], **words['fields'])
    clips = tf.constant(np.random.default_rng(0).integers(0, 256, words['clips'], np.uint8))
    if words['training']:
        call = step(network, np.zeros(len(clips), np.int32), words['jit'])
    else:
        call = answer(network, words['jit'])
    return lambda: call(clips), len(clips)


def main(words):
    """Answers each line of standard input, seconds, with the units done in about that time."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # it ends with its input
    answers = os.fdopen(os.dup(1), 'w', buffering=1)
    os.dup2(2, 1)  # where anything else is printed
    words = json.loads(words)
    if 'network' in words:
        try:
            startup = importlib.import_module('s3dg.program.startup')
        except ModuleNotFoundError:
            pass  # of before there was one: as TensorFlow comes
        else:
            startup.prepare([])
            signal.signal(signal.SIGINT, signal.SIG_IGN)
        function, count = _network_work(words)
    else:
        function, count = matrix_product(words['dtype']), words['count']
    function()  # which compiles it
    print('ready', file=answers)
    for line in sys.stdin:
        print(for_a_while(function, count, float(line)), file=answers)


if __name__ == '__main__':
    main(*sys.argv[1:])
