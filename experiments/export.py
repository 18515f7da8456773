"""Exports a trained network as a SavedModel that takes videos of any size.

  python -m experiments.export --model=runs/train/model.keras --output=runs/train/saved_model

The SavedModel has the endpoints `serve` (the default), `features` and `jpeg` (see s3dg/export.py), its batch
norm is folded into the convolutions. What it answers is compared with the network's own answer on a
test video before it is called done.
"""

import numpy as np
from absl import flags

from experiments import run
from s3dg import export

FLAGS = flags.FLAGS

# Folding reorders float32 roundings; more than this is a fault, and the export fails.
TOLERANCE = 1e-4


def define_flags():
    """The flags of this program, for it alone."""
    run.define_workdir_flags('export')
    flags.DEFINE_string('model', None, 'The .keras file.')
    flags.DEFINE_string('output', None, 'Folder of the SavedModel.')


def generated_video(network):
    """A generated video of the size the network's frames have: uint8 (1, frames, H, W, channels)."""
    video_format = network.video_format
    height, width = video_format.frame_size or video_format.crop_size
    generator = np.random.default_rng(0)
    shape = (1, video_format.evaluation_frames, height, width, network.config.channels)
    coarse = generator.integers(0, 256, (1, shape[1], -(-height // 16), -(-width // 16), shape[-1]))
    return coarse.repeat(16, 2).repeat(16, 3)[:, :, :height, :width].astype('uint8')


def export_network(network, output):
    """Exports, and compares with the network.

    Returns:
      (endpoint names, largest difference of a probability; of an embedding, as a share of its largest
      dimension).

    Raises:
      ExportError: where they differ by more than `TOLERANCE`.
    """
    endpoints = export.export(network, output)
    video = generated_video(network)
    height, width = network.video_format.crop_size
    top, left = ((video.shape[i + 2] - size) // 2 for i, size in enumerate((height, width)))
    outputs = network(video[:, :, top : top + height, left : left + width], training=False).numpy()
    served = export.ExportedNetwork(output).serve(video)
    if network.config.head == 'embedding':
        scale = np.abs(outputs).max()
        difference = float(np.abs(served['embedding'].numpy() - outputs).max() / scale)
    else:
        odds = np.exp(outputs - outputs.max())
        difference = float(np.abs(served['probabilities'].numpy() - odds / odds.sum()).max())
    if not difference <= TOLERANCE:
        raise export.ExportError(
            f"{output}: its answers differ from the network's by {difference:.2g}, "
            f'expected at most {TOLERANCE}.'
        )
    return endpoints, difference


def main(arguments):
    del arguments
    run.required('model')
    run.required('output')
    network = run.load_network(FLAGS.model)
    export.check_output(FLAGS.output)
    run.home_path(FLAGS.output).parent.mkdir(parents=True, exist_ok=True)
    settings = {'model': run.file_identity(FLAGS.model), 'output': FLAGS.output}
    this = run.Run('export', FLAGS.workdir, settings, FLAGS.overwrite, replaces=True)
    if this.results is not None and run.home_path(FLAGS.output).is_dir():
        run.report(f'{this.path}: finished already, {FLAGS.output}; --overwrite exports again')
        return
    endpoints, difference = export_network(network, FLAGS.output)
    results = {'endpoints': endpoints, 'max_difference': difference, 'saved_model': FLAGS.output}
    rows = [('SavedModel', FLAGS.output), ('endpoints', ', '.join(endpoints))]
    rows.append(("largest difference from the network's answer", f'{difference:.1e}'))
    this.finish(results, f'# Export\n\n{run.markdown_table(("what", "value"), rows)}')
    run.report(
        f'{FLAGS.output}: endpoints {", ".join(endpoints)}; answers within {difference:.1e} of the '
        f"network's"
    )


if __name__ == '__main__':
    define_flags()
    run.start(main)
