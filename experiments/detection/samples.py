"""Pictures of what a detector has found in a split, beside what is there."""

import numpy as np

from data.records.decode import stored_videos
from s3dg.figures import detections as pictures
from s3dg.files.disk import writing

_FRAMES = 12  # of the sheet, each of another video
_STRIPS, _STRIP_FRAMES = 4, 8  # videos of the filmstrip, and frames of each
_FROM_SCORE = 0.3  # boxes below are not drawn
_KEPT = 'the evaluation is kept; make room and run the same command again'


def draw(found, builder, split, names, folder):
    """Writes `found_and_true.png` and `filmstrip.png` of an `Evaluation` into a folder.

    Args:
      found: the `Evaluation`.
      builder, split: what it is of.
      names: of the classes.
    """
    numbers = {one.rgb.id: number for number, one in enumerate(found.videos)}
    picked = list(numbers)[:: max(1, len(numbers) // _FRAMES)][:_FRAMES]
    scale = np.float32(builder.info.metadata['frame_size']) / np.float32(found.picture)
    sheet, strips = [], []
    for example in stored_videos(builder, split):
        if example['id'] not in picked:
            continue
        frames, number = example['video'], numbers[example['id']]
        own = range(*found.starts[number : number + 2])
        both = detections, _ = found.boxes(number)
        middle = len(own) // 2
        found_there, true = (_rows(rows, own[middle], scale) for rows in both)
        sheet.append((frames[middle], found_there, true))
        if len(strips) < _STRIPS:
            places = np.linspace(0, len(own) - 1, min(_STRIP_FRAMES, len(own))).round().astype(int)
            found_there = [_rows(detections, own[place], scale) for place in places]
            strips.append((frames[places], found_there, example['id'], places))
        if len(sheet) == len(picked):
            break
    with writing(folder / 'found_and_true.png', _KEPT):
        frames, boxes, true = zip(*sheet, strict=True)
        kept = [[column[of_frame[2] >= _FROM_SCORE] for column in of_frame] for of_frame in boxes]
        pictures.found_and_true(frames, kept, true, names, folder / 'found_and_true.png')
    with writing(folder / 'filmstrip.png', _KEPT):
        frames, boxes, titles, places = zip(*strips, strict=True)
        path = folder / 'filmstrip.png'
        pictures.filmstrip(frames, boxes, names, path, titles, _FROM_SCORE, places)


def _rows(rows, number, scale):
    """Boxes, labels and, of detections, scores of a frame, in pixels of the stored frame."""
    here = slice(*np.searchsorted(rows.frame, [number, number + 1]))  # a video's rise
    columns = [rows.box[here] * np.tile(scale, 2), rows.label[here]]
    return columns if rows.score is None else [*columns, rows.score[here]]
