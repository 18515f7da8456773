"""What a detector finds in a split: kept video by video, so that an evaluation goes on."""

import dataclasses
import itertools

import numpy as np

from data import boxes, catalog
from data.clips import annotated
from data.clips.annotated import FLOW
from data.records import faults
from experiments.training.evaluating import batch_size
from s3dg import files
from s3dg.detection import frame_ap
from s3dg.detection.frame_ap import FrameBoxes
from s3dg.errors import S3dgError
from s3dg.files.disk import writing
from s3dg.files.readers import read_npz
from s3dg.inference import InBatches
from s3dg.progress import ProgressLine

_GO_ON = 'make room and run the same command again to go on from there'
_KINDS = {'frame': ('iu', 1), 'label': ('iu', 1), 'box': ('f', 2), 'score': ('f', 1)}


class EvaluationError(S3dgError, RuntimeError):
    """Detections that do not add up, or a damaged file of them."""


@dataclasses.dataclass(frozen=True)
class Evaluation:
    """The detections of a split and its true boxes; a frame has one number in both.

    Boxes are in pixels of the pictures that the true ones were drawn on.
    """

    names: list[tuple[str, int]]  # by a frame's number, its video and its index there
    detections: FrameBoxes
    truth: FrameBoxes
    videos_expected: int  # that the dataset has in this split
    videos_seen: int  # those that have boxes
    picture: tuple[int, int]  # height and width of the pictures that boxes were drawn on

    def figures(self, num_classes):
        """Average precisions by rule, as dict from 'pascal' and 'act'.

        Each value is a dict of `AveragePrecisions`: 'all' of all frames, 'annotated' of those with
        boxes, 'localisation' of all frames with labels ignored.
        """
        with_boxes = np.unique(self.truth.frame)
        alone = frame_ap.without_labels(self.detections), frame_ap.without_labels(self.truth)
        found = {}
        for name, rule in frame_ap.RULES.items():
            both = self.detections, self.truth, num_classes, rule
            found[name] = {
                'all': frame_ap.average_precisions(*both),
                'annotated': frame_ap.average_precisions(*both, counted=with_boxes),
                'localisation': frame_ap.average_precisions(*alone, 1, rule),
            }
        return found


def evaluate(detector, builders, plan, strategy, folder, report, *, chunk, reverse=False):
    """The `Evaluation` of a detector on the split that its plan is evaluated on.

    Args:
      folder: where the detections of each video are kept; those that are there are not made again.
      chunk: proposals that are classified at once.
      reverse: whether the clip around each frame is played backwards.

    Raises:
      EvaluationError: naming a damaged file.
      DiskError: where a file cannot be written.
    """
    split = plan.splits[1]
    rgb, flow = builders[0], builders[1] if len(builders) > 1 else None
    videos = annotated.annotated_videos(rgb, split, flow)
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / f'{number:05d}.npz' for number in range(len(videos))]
    first = next((k for k, path in enumerate(paths) if not path.exists()), len(paths))
    if first:
        report(f'{folder}: detections of {first} of {len(videos)} videos are there')
    at_once = batch_size(strategy, plan.video_format)
    batches = annotated.evaluation_frames(
        rgb,
        split,
        flow=flow,
        frames=plan.video_format.clip_frames,
        most_boxes=plan.most_boxes,
        batch_size=at_once,
        every_frame=True,
        first_video=first,
    )
    frames = sum(one.rgb.frames for one in videos[first:])
    progress = ProgressLine(f'detecting in {split}', 'frames', report, frames)
    with faults.named(rgb, [split], report):
        answers = _answers(detector, batches, at_once, strategy, chunk, reverse, progress)
        for number, path in enumerate(paths[first:], first):
            _write(path, list(itertools.islice(answers, videos[number].rgb.frames)))
    detections = [_read(path) for path in paths]
    stored = plan.video_format.frame_size
    picture = catalog.builder_class(plan.dataset).BOX_PICTURE
    return _join(videos, detections, rgb.info.splits[split].num_examples, stored, picture)


def _answers(detector, batches, at_once, strategy, chunk, reverse, progress):
    """Yields what is found in each frame: its number, labels, boxes and scores, an entry a box."""
    forward = InBatches(lambda batch: detector(batch, chunk=chunk)._asdict(), at_once, strategy)
    done = 0
    for batch in batches.as_numpy_iterator():
        inputs = {key: batch[key] for key in (*detector.bodies, 'key')}
        if reverse:
            inputs |= {key: _backwards(inputs[key], key == FLOW) for key in detector.bodies}
        found = forward(inputs)
        for row, frame in enumerate(batch['frame']):
            is_box = found['is_box'][row]
            numbers = np.full(is_box.sum(), frame, np.int32)
            yield numbers, *(found[key][row][is_box] for key in ('labels', 'boxes', 'scores'))
        done += len(batch['frame'])
        progress(done)


def _backwards(clips, is_flow):
    """Clips played backwards; flow is also negated, as in `data.records.decode`."""
    return 255 - clips[:, ::-1] if is_flow else clips[:, ::-1]


def _join(videos, detections, videos_expected, stored, picture):
    """The `Evaluation` of videos and what was found in each, in pixels of `stored` frames."""
    starts = np.cumsum([0, *(one.rgb.frames for one in videos)])
    names = [(one.rgb.id, frame) for one in videos for frame in range(one.rgb.frames)]
    scale = np.float32([*picture, *picture])
    columns = {key: np.concatenate([part[key] for part in detections]) for key in _KINDS}
    own = np.repeat(starts[:-1], [len(part['frame']) for part in detections])
    true = {
        key: np.concatenate([one.rgb.boxes[key] for one in videos])
        for key in (boxes.FRAME, boxes.BOX, boxes.LABEL)
    }
    of_true = np.repeat(starts[:-1], [len(one.rgb.boxes[boxes.FRAME]) for one in videos])
    return Evaluation(
        names,
        FrameBoxes(
            columns['frame'] + own,
            columns['label'],
            columns['box'] * (scale / np.float32([*stored, *stored])),
            columns['score'],
        ),
        FrameBoxes(
            true[boxes.FRAME] + of_true,
            true[boxes.LABEL].astype(np.int32),
            true[boxes.BOX].reshape(-1, 4).astype(np.float32) * scale,
        ),
        videos_expected,
        len(videos),
        picture,
    )


def _write(path, found):
    values = [np.concatenate(column) for column in zip(*found, strict=True)]
    with (
        writing(path, f'the detections before are kept; {_GO_ON}'),
        files.unfinished(path) as temporary,
    ):
        np.savez(temporary, **dict(zip(_KINDS, values, strict=True)))


def _read(path):
    return read_npz(path, _KINDS, EvaluationError, 'delete it to have it made again')
