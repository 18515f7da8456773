"""The compiled steps of a training: micro-batches, replicas, weight decay and the update."""

import math

import tensorflow as tf

from s3dg.config import ConfigError
from s3dg.training.trainable import batch_norm_layers


class TrainSteps:
    """The steps of a training, of a network and an optimizer made in the strategy's scope.

    The optimizer is built here. Raises ConfigError where XLA is asked to compile what it cannot.
    """

    def __init__(self, strategy, network, optimizer, task, config):
        self._strategy, self._network, self._optimizer = strategy, network, optimizer
        self._task, self._config = task, config
        self._variables = network.trainable_variables
        self._kernels = [v for v in self._variables if v.name == 'kernel']
        self._figures = (*task.figures, 'gradient_norm')
        with strategy.scope():
            optimizer.build(self._variables)
            self._accumulators = [
                tf.Variable(
                    tf.zeros(variable.shape, variable.dtype),
                    trainable=False,
                    synchronization=tf.VariableSynchronization.ON_READ,
                    aggregation=tf.VariableAggregation.SUM,
                )
                for variable in (self._variables if config.accumulation > 1 else ())
            ]
        self._gradients = self._differentiate
        if config.jit:
            if strategy.num_replicas_in_sync > 1 and any(
                layer.synchronized and layer.trainable for layer in batch_norm_layers(network)
            ):
                raise ConfigError(
                    'Synchronised batch norm talks to the other replicas, which XLA cannot '
                    'compile: drop either jit or the synchronisation.'
                )
            self._gradients = tf.function(self._differentiate, jit_compile=True)

    @tf.function
    def run(self, iterator, steps):
        """Takes so many steps (an int32 tensor) with the batches of an iterator.

        Args:
          iterator: of dicts with the task's inputs and targets, one micro-batch per replica.

        Returns:
          (figures, seconds waited for input). `figures` is a dict of float32 `(steps,)`: the
          task's, and 'gradient_norm' (before the replicas' gradients are added; of the scaled loss
          under loss scaling), means over replicas and micro-batches.
        """
        arrays = {
            name: tf.TensorArray('float32', steps, element_shape=[]) for name in self._figures
        }
        waited = tf.zeros([], 'float64')
        for i in tf.range(steps):
            tf.autograph.experimental.set_loop_options(parallel_iterations=1)
            figures, seconds = self._step(iterator)
            arrays = {name: array.write(i, figures[name]) for name, array in arrays.items()}
            waited += seconds
        return {name: array.stack() for name, array in arrays.items()}, waited

    def _step(self, iterator):
        """One update; its figures, and the seconds waited for input."""
        count = self._config.accumulation
        if count == 1:
            batch, waited = self._fetch(iterator)
            return self._mean(self._strategy.run(self._update, (batch,))), waited
        totals = {name: tf.zeros([]) for name in self._figures}
        waited = tf.zeros([], 'float64')
        for _ in tf.range(count):
            tf.autograph.experimental.set_loop_options(parallel_iterations=1)
            batch, seconds = self._fetch(iterator)
            figures = self._mean(self._strategy.run(self._accumulate, (batch,)))
            totals = {name: totals[name] + figures[name] / count for name in totals}
            waited += seconds
        self._strategy.run(self._update_with_accumulated)
        return totals, waited

    def _fetch(self, iterator):
        """The next batch, and the seconds it took to come (NaN where clocks are not allowed)."""
        if self._config.deterministic:
            return next(iterator), tf.constant(math.nan, 'float64')
        started = tf.timestamp()
        batch = next(iterator)
        tensors = [t for v in batch.values() for t in self._strategy.experimental_local_results(v)]
        with tf.control_dependencies(tensors):
            return batch, tf.timestamp() - started

    def _mean(self, figures):
        """Figures of all replicas as their means."""
        return {
            name: self._strategy.reduce('MEAN', value, axis=None) for name, value in figures.items()
        }

    # What a replica does.

    def _update(self, batch):
        gradients, figures = self._gradients(*self._task.select(batch))
        self._optimizer.apply(gradients, self._variables)
        return figures

    def _accumulate(self, batch):
        gradients, figures = self._gradients(*self._task.select(batch))
        for accumulator, gradient in zip(self._accumulators, gradients, strict=True):
            accumulator.assign_add(gradient)
        return figures

    def _update_with_accumulated(self):
        gradients = [tf.convert_to_tensor(accumulator) for accumulator in self._accumulators]
        self._optimizer.apply(gradients, self._variables)
        for accumulator in self._accumulators:
            accumulator.assign(tf.zeros_like(accumulator))

    def _differentiate(self, inputs, targets):
        """The gradients of a micro-batch's share of the objective, and its figures."""
        # The gradients of replicas and of micro-batches are added up later.
        share = 1.0 / (self._strategy.num_replicas_in_sync * self._config.accumulation)
        with tf.GradientTape() as tape:
            outputs = self._network(inputs, training=True)
            losses = {name: loss(outputs, targets) for name, loss in self._task.losses.items()}
            loss = tf.add_n(list(losses.values()))
            decay = self._config.weight_decay * tf.add_n([tf.nn.l2_loss(k) for k in self._kernels])
            objective = self._optimizer.scale_loss((loss + decay) * share)
        gradients = tape.gradient(objective, self._variables)
        metrics = {name: metric(outputs, targets) for name, metric in self._task.metrics.items()}
        norm = tf.linalg.global_norm(gradients)
        figures = {'loss': loss, **losses, **metrics, 'gradient_norm': norm}
        return gradients, {name: tf.cast(figures[name], 'float32') for name in self._figures}
