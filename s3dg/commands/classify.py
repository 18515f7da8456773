"""Names what video files show: the five most probable classes of each.

  s3dg classify --model=runs/quickstart/saved_model video.mp4 another.mov

Videos may have any size, rate and length: they are resampled to the network's rate, resized, and
seen in windows as in evaluation, while a process of its own decodes them. The model is a `.keras`
file or a SavedModel; both answer alike. A file that cannot be read is named, the others are
classified, and the exit code is 1.
"""

import json
import sys

import numpy as np
from absl import flags

from s3dg.answers import NonFiniteAnswerError
from s3dg.errors import VideoError
from s3dg.program import entry
from s3dg.program.flags import required
from s3dg.program.loading import load_model, require_classes, require_rgb
from s3dg.program.number_flags import define_count
from s3dg.video import ahead
from s3dg.video.sampling import check_crop
from s3dg.video.windows import cut_windows

FLAGS = flags.FLAGS


def define_flags():
    """The flags of this program, for it alone."""
    flags.DEFINE_string('model', None, 'The .keras file, or the folder of the SavedModel.')
    define_count('top', 5, 'Classes printed per video.', 1_000_000)
    flags.DEFINE_bool('json', False, 'Print one JSON object per line and video instead of text.')


def video_probabilities(model, frames):
    """Probabilities, float32 (classes,), that a model gives the frames of a video.

    Raises:
      VideoError: if it cannot be used.
      NonFiniteAnswerError: if the network answers with NaN or infinity.
    """
    video_format = model.video_format
    answers = []
    for window in cut_windows(frames, video_format.evaluation_frames):
        check_crop(window.shape[1:3], video_format.crop_size)
        answers.append(model.serve(window[None])['logits'].numpy()[0])
    logits = np.mean(answers, axis=0)
    odds = np.exp(logits - logits.max())
    return odds / odds.sum()


def most_probable(model, probabilities, number):
    """The `number` most probable classes as (name, probability), the most probable one first."""
    names = model.class_names or [f'class {i}' for i in range(len(probabilities))]
    order = np.argsort(-probabilities, kind='stable')[:number]
    return [(names[i], float(probabilities[i])) for i in order]


def main(arguments):
    required('model', FLAGS.model)
    if not arguments:
        raise entry.UsageError('No video given: s3dg classify --model=MODEL VIDEO...')
    with ahead.Reader() as reader:  # starts while the model is loaded
        model = load_model(FLAGS.model)
        require_rgb(model, FLAGS.model)
        require_classes(model, FLAGS.model)
        video_format, failed = model.video_format, 0
        videos = reader.videos(
            arguments, 2 * video_format.evaluation_frames, **video_format.reading
        )
        for path, frames in zip(arguments, videos, strict=True):
            try:
                classes = most_probable(model, video_probabilities(model, frames), FLAGS.top)
                if frames.faults:
                    print(f'warning: {path}: {frames.faults}', file=sys.stderr, flush=True)
            except (VideoError, NonFiniteAnswerError) as error:
                failed += 1
                entry.report_error(f'{path}: {error}')
                continue
            if FLAGS.json:
                top = [{'class': name, 'probability': p} for name, p in classes]
                print(json.dumps({'video': path, 'classes': top}), flush=True)
            else:
                print(path)
                for name, probability in classes:
                    print(f'  {probability:7.2%}  {name}', flush=True)
    return 1 if failed else 0
