"""Momentum SGD, against its formula in NumPy."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from s3dg.training.optimizer import MomentumSGD


@pytest.mark.parametrize('momentum', [0.9, 0.0])
@pytest.mark.parametrize('dtype', ['float32', 'bfloat16'])
def test_steps_are_those_of_the_formula(momentum, dtype):
    """v = momentum * v - rate * g; w = w + v, with a rate that changes; gradients of any dtype."""
    generator = np.random.default_rng(0)
    start, *gradients = generator.normal(size=(6, 3, 4)).astype('float32')
    gradients = [tf.cast(gradient, dtype) for gradient in gradients]
    variable = keras.Variable(start, dtype='float32')
    rates = [0.5, 0.5, 0.1, 0.1, 0.1]
    schedule = keras.optimizers.schedules.PiecewiseConstantDecay([1], [0.5, 0.1])
    optimizer = MomentumSGD(schedule, momentum=momentum)
    optimizer.build([variable])
    step = tf.function(lambda gradient: optimizer.apply([gradient], [variable]))
    expected, velocity = start.astype('float64'), np.zeros_like(start, 'float64')
    for rate, gradient in zip(rates, gradients, strict=True):
        step(gradient)
        velocity = momentum * velocity - rate * tf.cast(gradient, 'float64').numpy()
        expected = expected + velocity
        np.testing.assert_allclose(variable.numpy(), expected, rtol=1e-5, atol=1e-6)
    assert int(optimizer.iterations) == len(rates)
