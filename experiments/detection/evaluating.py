"""What a detector finds in a split: kept video by video, so that an evaluation goes on."""

import dataclasses
import functools
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
    """The detections of a split and its true boxes, of which a video's are read at a time.

    A frame has one number in both. Boxes are in pixels of the pictures that the true ones were
    drawn on.
    """

    videos: list  # those that have boxes, each an `AnnotatedVideo`
    paths: list  # of the files with their detections
    videos_expected: int  # that the dataset has in this split
    stored: tuple[int, int]  # height and width of the frames that were seen
    picture: tuple[int, int]  # and of the pictures that boxes were drawn on

    @property
    def names(self):
        """By a frame's number, its video and its index there."""
        return [(one.rgb.id, frame) for one in self.videos for frame in range(one.rgb.frames)]

    @functools.cached_property
    def starts(self):
        """The numbers of the videos' first frames, and how many frames there are: (videos + 1,)."""
        return np.cumsum([0, *(one.rgb.frames for one in self.videos)])

    def boxes(self, number):
        """(found, true): the `FrameBoxes` of a video, by its number.

        Raises:
          EvaluationError: naming a damaged file.
        """
        scale = np.float32([*self.picture, *self.picture])
        found = read_npz(
            self.paths[number], _KINDS, EvaluationError, 'delete it to have it made again'
        )
        true = self.videos[number].rgb.boxes
        start = self.starts[number]
        return (
            FrameBoxes(
                found['frame'] + start,
                found['label'],
                found['box'] * (scale / np.float32([*self.stored, *self.stored])),
                found['score'],
            ),
            FrameBoxes(
                true[boxes.FRAME] + start,
                true[boxes.LABEL].astype(np.int32),
                true[boxes.BOX].reshape(-1, 4).astype(np.float32) * scale,
            ),
        )

    def detections(self):
        """Yields what was found in each video."""
        return (self.boxes(number)[0] for number in range(len(self.videos)))

    def figures(self, num_classes):
        """Average precisions by rule, as dict from 'pascal' and 'act'.

        Each value is a dict of `AveragePrecisions`: 'all' of all frames, 'annotated' of those with
        boxes, 'localisation' of all frames with labels ignored. Of a detection no more is kept than
        its label, its score, whether its frame has boxes, and by each rule whether it is a hit.
        """
        parts, positives = [], np.zeros(num_classes, np.int64)
        for number in range(len(self.videos)):
            both = self.boxes(number)
            alone = [frame_ap.without_labels(one) for one in both]
            found, true = both
            positives += np.bincount(true.label, minlength=num_classes)
            columns = [found.label, found.score, np.isin(found.frame, true.frame)]
            for rule in frame_ap.RULES.values():
                columns.append(frame_ap.match(*both, num_classes, rule))
                columns.append(frame_ap.match(*alone, 1, rule))
            parts.append(columns)
        label, score, annotated, *hits = map(np.concatenate, zip(*parts, strict=True))
        figures = {}
        for (name, rule), hit, hit_alone in zip(
            frame_ap.RULES.items(), hits[::2], hits[1::2], strict=True
        ):
            columns = label, score, hit
            kept = (column[annotated] for column in columns)
            alone = np.zeros_like(label), score, hit_alone
            figures[name] = {
                'all': frame_ap.precisions(*columns, positives, rule),
                'annotated': frame_ap.precisions(*kept, positives, rule),
                'localisation': frame_ap.precisions(*alone, positives.sum(keepdims=True), rule),
            }
        return figures


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
    expected = rgb.info.splits[split].num_examples
    picture = catalog.builder_class(plan.dataset).BOX_PICTURE
    return Evaluation(videos, paths, expected, plan.video_format.frame_size, picture)


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


def _write(path, found):
    values = [np.concatenate(column) for column in zip(*found, strict=True)]
    with (
        writing(path, f'the detections before are kept; {_GO_ON}'),
        files.unfinished(path) as temporary,
    ):
        np.savez(temporary, **dict(zip(_KINDS, values, strict=True)))
