"""Submission files: predictions for the test split of Something-Something.

The labels of that split are not published. A file has a line for each video, ended by a newline,
its parts divided by semicolons, without a header:

    release 2:  ID;INDEX;INDEX;INDEX;INDEX;INDEX    published indices of its five likeliest
                                                    classes, the likeliest first
    release 1:  ID;LABEL                            the name of its likeliest class

Release 2's form is that of the makers' own baseline (TwentyBN/smth-smth-v2-baseline-with-models,
`get_submission`), and of what MIT's TSM writes (mit-han-lab/temporal-shift-module, test_models.py).
For release 1 there is TSM alone, which submitted to it. Neither could be tried.

Ids of both datasets are the published numbers. Their classes are in the order of the published
indices, which for both releases is that of the sorted names.
"""

import numpy as np

from s3dg import files
from s3dg.training.evaluation import EvaluationError

_TOP = 5


def _label_row(logits, class_names):
    return [class_names[np.argmax(logits)]]


def _index_row(logits, class_names):
    del class_names
    # Stable: of equal logits the lower index comes first.
    return [str(index) for index in np.argsort(-logits, kind='stable')[:_TOP]]


# By dataset: from a video's logits and the names of the classes to what follows the id in its line.
ROWS = {'something_something_v1': _label_row, 'something_something_v2': _index_row}


def write_submission(path, ids, logits, class_names, row):
    """Writes a submission file, which appears under its name only when complete.

    A video that the conversion skipped has no prediction, and no line; `skipped.csv` beside the
    dataset lists it.

    Args:
      path: `pathlib.Path` of the file.
      ids: ids of the videos, numbers in digits; the lines are sorted by number.
      logits: float (videos, classes).
      class_names: in the order of the logits, which for Something-Something is the published one.
      row: a value of `ROWS`.

    Returns:
      The number of lines.

    Raises:
      EvaluationError: where there is no video, an id is no number or comes twice, a logit is not
        finite, or the numbers of videos or classes do not agree.
    """
    logits = np.asarray(logits)
    if logits.shape != (len(ids), len(class_names)) or not len(ids):
        raise EvaluationError(
            f'{path}: found {len(ids)} videos, {len(class_names)} classes and logits of shape '
            f'{logits.shape}, expected one video or more and a logit for each of its classes.'
        )
    places = {}
    for place, video in enumerate(map(str, ids)):
        if not (video.isascii() and video.isdigit()):
            raise EvaluationError(
                f'{path}: found the video id {video!r}, expected a number, as '
                'Something-Something has them.'
            )
        if int(video) in places:
            raise EvaluationError(f'{path}: video {video} comes twice, expected each video once.')
        if not np.isfinite(logits[place]).all():
            raise EvaluationError(f'{path}: the logits of video {video} are not finite.')
        places[int(video)] = place
    for name in class_names:
        if ';' in name or len(name.splitlines()) != 1:
            raise EvaluationError(
                f'{path}: found the class {name!r}, expected a name of one line without semicolons.'
            )
    lines = [
        ';'.join([str(ids[place]), *row(logits[place], class_names)])
        for _, place in sorted(places.items())
    ]
    files.write_text(path, '\n'.join(lines) + '\n')
    return len(lines)
