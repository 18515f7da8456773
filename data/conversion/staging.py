"""The folder in which a dataset grows, and what of it is done.

TensorFlow Datasets deletes its unfinished folder, and writes shards only after a shuffle of all
examples. So we write shards in a hidden folder beside the dataset's final place
(`s3dg.files.folders`), and declare them to it at the end. The folder holds at any time: `plan.json`
(the settings and a digest of the list of videos), complete shards, one partial shard, and what
became of each video: `videos.csv` and `skipped.csv`.
"""

import dataclasses
import os
import pathlib

from data.conversion import shards
from data.conversion.plan import Plan, Shard, is_same_plan, read_plan
from data.errors import DatasetError, Report
from data.listing import Video
from data.records import outcomes, tfrecord
from data.records.outcomes import PLAN_FILE
from s3dg import files
from s3dg.files import folders


@dataclasses.dataclass(frozen=True)
class Remaining:
    """What is left to do of a shard: `kept` of its records are there, `videos` are not done."""

    shard: Shard
    kept: int
    videos: list[Video]


def open_folder(folder: pathlib.Path, plan: Plan, report: Report, replace: bool) -> None:
    """Readies an unfinished folder for a plan: leaves what was begun with the same one as it is.

    Raises:
      DatasetError: if it was begun with another plan, unless it may be replaced.
    """
    if any(folder.iterdir()):
        begun = read_plan(folder / PLAN_FILE)
        if begun is None or not is_same_plan(begun, plan.stored):
            done = outcomes.Outcomes(folder).frames
            if begun is not None and done and not replace:
                raise DatasetError(
                    f'{folder}: found {len(done)} videos converted from other videos or labels or'
                    ' with other settings; give the same ones to go on, another --config name to'
                    ' leave it, or --overwrite to begin anew'
                )
            report(
                f'{plan.name}: other videos, labels or settings than {folder} was begun with;'
                ' starting anew'
            )
            folders.clear(folder)
        elif begun == plan.stored:
            return
    files.write_json(folder / PLAN_FILE, plan.stored)


def adopt_earlier(final: pathlib.Path, folder: pathlib.Path) -> bool:
    """Moves what an earlier version of this code had begun beside `final` into an empty folder.

    It wrote to `1.0.0.converting`, and renamed an old dataset to `1.0.0.replaced` before it renamed
    that to `1.0.0`. Folders of these names without our plan are somebody else's.

    Returns:
      Whether it was stopped between its two renames, and what it had begun is complete.
    """
    earlier, old = (final.with_name(final.name + end) for end in ('.converting', '.replaced'))
    ours = not earlier.is_symlink() and read_plan(earlier / PLAN_FILE) is not None
    if not ours or any(folder.iterdir()):
        return False
    os.rename(earlier, folder)
    return not final.exists() and read_plan(old / PLAN_FILE) is not None


def resume(plan: Plan, folder: pathlib.Path, known: outcomes.Outcomes) -> list[Remaining]:
    """Finds out what is left to do, and leaves in `known` what is done."""
    remaining, frames, skipped = [], {}, {}
    for shard in plan.shards:
        path = folder / shard.name
        if path.exists():
            if _accounted(path, shard.videos, known):
                for item in shard.videos:
                    if item.id in known.skipped:
                        skipped[item.id] = known.skipped[item.id]
                    else:
                        frames[item.id] = known.frames[item.id]
                continue
            shards.reopen(path)
        contents = shards.partial_contents(path)
        kept = done = 0
        for item in shard.videos:
            if kept < len(contents) and contents[kept][0] == item.id:
                frames[item.id] = contents[kept][1]
                kept += 1
            elif item.id in known.skipped:
                skipped[item.id] = known.skipped[item.id]
            else:
                break
            done += 1
        if done < len(shard.videos):
            remaining.append(Remaining(shard, kept, shard.videos[done:]))
        else:  # killed between its last video and its renaming
            with shards.ShardWriter(path, kept):
                pass
    known.replace(frames, skipped)
    return remaining


def _accounted(path: pathlib.Path, videos: list[Video], known: outcomes.Outcomes) -> bool:
    """Whether all is known of each video of a complete shard; a power cut may lose some of it."""
    try:
        count, _ = tfrecord.count_records(path)
    except DatasetError:
        return False
    stored = sum(item.id in known.frames for item in videos)
    skipped = sum(item.id in known.skipped for item in videos)
    return count == stored and stored + skipped == len(videos)
