"""Exports a network as a SavedModel that takes videos of any size.

  s3dg export --model=s3d.keras --output=saved_model

The SavedModel has three endpoints: `serve`, the default, takes decoded videos; `jpeg` takes frames
as JPEG files; `features` returns features instead of classes. Batch norm is folded into the
convolutions. The answer on a test video is compared with the network's own first, and only then
does the SavedModel replace an earlier one at --output.

A detector, which `experiments.action_detection` leaves, becomes a SavedModel with the endpoint
`detect`: from clips around key frames, uint8 (batch, frames, height, width, 3), to their boxes,
labels and scores.
"""

import numpy as np
import tensorflow as tf
from absl import flags

from s3dg.answers import require_finite
from s3dg.detection import saved
from s3dg.detection.network import Detector
from s3dg.program import entry
from s3dg.program.flags import define_workdir_flags, required
from s3dg.program.loading import load_network
from s3dg.program.markdown import markdown_table
from s3dg.program.workdir import Run, file_identity, home_path
from s3dg.saving import export, keras_file, saved_model
from s3dg.video import sampling

FLAGS = flags.FLAGS

# Folding reorders float32 roundings; more than this is a fault, and the export fails.
TOLERANCE = 1e-4
DETECTOR_TOLERANCE = 1e-2  # of a score, or a pixel; nothing is folded there


def define_flags():
    """The flags of this program, for it alone."""
    define_workdir_flags('export')
    flags.DEFINE_string('model', None, 'The .keras file.')
    flags.DEFINE_string('output', None, 'Folder of the SavedModel.')


def generated_video(network):
    """A video of the size of the network's frames: uint8 (1, frames, height, width, channels)."""
    video_format = network.video_format
    height, width = video_format.frame_size or video_format.crop_size
    generator = np.random.default_rng(0)
    shape = (1, video_format.evaluation_frames, height, width, network.config.channels)
    coarse = generator.integers(0, 256, (1, shape[1], -(-height // 16), -(-width // 16), shape[-1]))
    return coarse.repeat(16, 2).repeat(16, 3)[:, :, :height, :width].astype('uint8')


def export_network(network, output):
    """Exports, having compared with the network; what is at `output` is replaced only then.

    Returns:
      (endpoint names, largest difference of a probability, or share of an embedding's largest
      dimension).

    Raises:
      ExportError: where they differ by more than `TOLERANCE`.
      NonFiniteAnswerError: where one of them answers with what is no number.
    """
    found = []

    def compare(folder):
        found.append(largest_difference(network, folder))
        if not found[0] <= TOLERANCE:
            raise export.ExportError(
                f"{output}: the answers to be exported differ from the network's by "
                f'{found[0]:.2g}, expected at most {TOLERANCE}; nothing is exported.'
            )

    return export.export(network, output, check=compare), found[0]


def largest_difference(network, folder):
    """How far the answers of a SavedModel are from the network's, as of `export_network`."""
    video = generated_video(network)
    clips = sampling.crop_centre(video, network.video_format.crop_size)
    outputs = network(clips, training=False).numpy()
    require_finite(outputs, "the network's answer")
    served = export.ExportedNetwork(folder).serve(video)
    if network.config.head == 'embedding':
        scale = np.abs(outputs).max()
        return float(np.abs(served['embedding'].numpy() - outputs).max() / scale)
    odds = np.exp(outputs - outputs.max())
    return float(np.abs(served['probabilities'].numpy() - odds / odds.sum()).max())


def export_detector(detector, output):
    """As `export_network` of a `Detector`; the difference is of its scores, and boxes in pixels."""
    found = []
    rng = np.random.default_rng(0)
    inputs = {
        name: rng.integers(0, 256, (1, *shape), np.uint8)
        for name, shape in saved.input_shapes(detector).items()
    }
    # Compiled like the other: a rounding that differs may let another box survive suppression.
    own_answer = tf.function(saved.function(detector))

    def compare(folder):
        served = saved.SavedDetector(folder).detect(inputs)
        own = own_answer(*map(tf.constant, inputs.values()))
        found.append(
            max(
                float(np.abs(served[name] - own[name].numpy()).max(initial=0))
                for name in ('scores', 'boxes')
            )
        )
        if not found[0] <= DETECTOR_TOLERANCE:
            raise export.ExportError(
                f"{output}: the answers to be exported differ from the detector's by "
                f'{found[0]:.2g}, expected at most {DETECTOR_TOLERANCE}; nothing is exported.'
            )

    return saved.export(detector, output, check=compare), found[0]


def main(arguments):
    del arguments
    required('model', FLAGS.model)
    required('output', FLAGS.output)
    model = load_network(FLAGS.model, kinds=(keras_file.NETWORK, saved.DETECTOR))
    is_detector = isinstance(model, Detector)
    export.check_output(FLAGS.output)
    settings = {'model': file_identity(FLAGS.model), 'output': FLAGS.output}
    try:
        if is_detector:
            saved_model.read_values(home_path(FLAGS.output), saved.KIND)
        else:
            saved_model.read_metadata(home_path(FLAGS.output))
        is_there = True
    except export.ExportError:  # none, or not as it was exported
        is_there = False
    this = Run(
        'export', FLAGS.workdir, settings, FLAGS.overwrite, replaces=True, goes_on=not is_there
    )
    if this.results is not None and is_there:
        entry.report(f'{this.path}: finished already, {FLAGS.output}; --overwrite exports again')
        return
    export_model = export_detector if is_detector else export_network
    endpoints, difference = export_model(model, FLAGS.output)
    results = {'endpoints': endpoints, 'max_difference': difference, 'saved_model': FLAGS.output}
    names = ', '.join(endpoints)
    rows = [
        ('SavedModel', FLAGS.output),
        ('endpoints', names),
        ("largest difference from the network's answer", f'{difference:.1e}'),
    ]
    this.finish(results, f'# Export\n\n{markdown_table(("what", "value"), rows)}')
    within = f"answers within {difference:.1e} of the network's"
    entry.report(f'{FLAGS.output}: endpoints {names}; {within}')
