"""Run as a program: trains a small network on given clips on one or several logical CPUs.

A failed collective poisons its process, and logical devices are fixed before TensorFlow starts:
each case of test_distribution.py is a process of its own. Writes what it finds to an .npz file.
"""

import argparse
import pathlib

import keras
import numpy as np
import tensorflow as tf

import s3dg
import s3dg.training.history
from s3dg.training import devices, evaluation, loop, trainable
from s3dg.training.schedules import CosineSchedule
from tests.s3dg.small import small_network

BATCH, CLASSES = 8, 5
# Of a whole network: small, and with weights that tell inputs apart before it has learnt much.
FIELDS = {
    'width': 0.25,
    'batch_norm_decay': 0.9,
    'kernel_initializer': 'he_normal',
    'dropout_rate': 0.0,
}


def create_clips(shape):
    """An endless row of examples whose clip and label depend on their number alone.

    The patterns are smooth. Of fine noise, deep layers see only the mean, nearly the same in every
    example, and batch norm magnifies its last digits. In coarse blocks, max-pools see ties, which
    rounding decides.
    """
    time, height, width, channels = shape

    def example(number):
        seed = tf.stack([number, 0])
        coarse = tf.random.stateless_uniform((time, 5, 5, channels), seed, 0.0, 255.0)
        clip = tf.image.resize(coarse, (height, width), 'bicubic')
        return {'clip': clip, 'label': tf.cast(number % CLASSES, tf.int32)}

    def clips(first_example, context, batch_size):
        del context
        numbers = tf.data.Dataset.counter(first_example)
        return numbers.map(example).batch(batch_size, drop_remainder=True)

    return clips


def create_network(arguments):
    if arguments.network == 'small':
        network = small_network(CLASSES, arguments.dropout)
    else:
        keras.utils.set_random_seed(0)
        network = s3dg.build(arguments.network, CLASSES, **FIELDS)
    if arguments.batch_norm == 'frozen':
        trainable.freeze_batch_norm(network)
    if arguments.batch_norm == 'synchronized':
        trainable.synchronize_batch_norm(network)
    return network


def named(variables):
    """Variables by number and name: paths differ between a built network and one from a file."""
    return {f'{i:03}/{v.name}': v for i, v in enumerate(variables)}


def weights(network):
    found = named(network.variables)
    return {name: v.numpy() for name, v in found.items() if v.name != 'random_state'}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument('--network', default='small')
    parser.add_argument('--replicas', type=int, required=True)
    parser.add_argument('--batch_norm', choices=['own', 'frozen', 'synchronized'], required=True)
    parser.add_argument('--rate', type=float, default=0.01)
    parser.add_argument('--steps', type=int, default=10)
    parser.add_argument('--accumulation', type=int, default=1)
    parser.add_argument('--dropout', type=float, default=0.0)
    parser.add_argument('--dtype', default='float32')
    parser.add_argument('--output', type=pathlib.Path, required=True)
    arguments = parser.parse_args()
    keras.config.set_dtype_policy(arguments.dtype)
    cpu = tf.config.list_physical_devices('CPU')[0]
    parts = [tf.config.LogicalDeviceConfiguration()] * arguments.replicas
    tf.config.set_logical_device_configuration(cpu, parts)
    strategy = devices.create_strategy('auto')
    assert strategy.num_replicas_in_sync == arguments.replicas

    shape = (4, 16, 16, 3) if arguments.network == 'small' else (16, 64, 64, 3)
    clips = create_clips(shape)
    config = loop.TrainingConfig(
        CosineSchedule(arguments.steps, arguments.rate),
        BATCH,
        arguments.accumulation,
        log_every=1,
        checkpoint_every=5,
    )
    workdir = arguments.output.parent / f'{arguments.output.stem}_run'
    network, _ = loop.train(
        lambda: create_network(arguments), clips, config, workdir, strategy=strategy
    )
    losses = [row['loss'] for row in s3dg.training.history.read_history(workdir)]
    found = {'losses': losses, **weights(network)}

    # What is saved, as it is read back on one device, and what the checkpoint restores.
    network.save(workdir / 'network.keras')
    loaded = keras.models.load_model(workdir / 'network.keras')
    found |= {f'saved/{name}': value for name, value in weights(loaded).items()}
    restored, _ = loop.train(
        lambda: create_network(arguments), clips, config, workdir, strategy=strategy
    )
    found |= {f'restored/{name}': value for name, value in weights(restored).items()}
    for name, variable in named(network.variables).items():
        if variable.name == 'moving_mean':
            for i, copy in enumerate(strategy.experimental_local_results(variable.value)):
                found[f'copy{i}/{name}'] = copy.numpy()

    masks = strategy.run(lambda: network.get_layer('dropout')(tf.ones([1, 1, 64]), training=True))
    for i, mask in enumerate(strategy.experimental_local_results(masks)):
        found[f'mask{i}'] = mask.numpy()

    # Evaluation of 5 videos, which do not divide by the replicas.
    def windows():
        for i in range(5):
            clip = np.random.default_rng(i).integers(0, 256, (1, *shape), 'uint8')
            yield {'clip': clip, 'label': [i], 'id': [b'%d' % i], 'window': [0], 'windows': [1]}

    spec = {
        'clip': tf.TensorSpec([None, *shape], tf.uint8),
        'label': tf.TensorSpec([None], tf.int32),
        'id': tf.TensorSpec([None], tf.string),
        'window': tf.TensorSpec([None], tf.int32),
        'windows': tf.TensorSpec([None], tf.int32),
    }
    dataset = tf.data.Dataset.from_generator(windows, output_signature=spec).unbatch().batch(4)
    predictions = evaluation.predict(network, dataset, 4, strategy=strategy)
    found['predicted_ids'], found['predicted_logits'] = predictions.ids, predictions.logits
    np.savez(arguments.output, **found)


if __name__ == '__main__':
    main()
