"""Several divisions of the same videos into splits: the videos are stored once.

UCF-101, HMDB-51 and JHMDB have three divisions each. Their pool is converted, cell by cell
(`DividedBuilder.cells`): the videos of a cell are in the same split of every division. A split is
whole cells, so a division is a folder of its own with hard links to the shards of the pool, and is
read like any other dataset. Neither needs the other: the files are there as long as either is.
"""

import dataclasses
import errno
import os
import pathlib
import shutil
from collections.abc import Callable

from data.conversion.plan import Plan, Shard, cut, read_plan, shard_name
from data.errors import Report
from data.records.outcomes import PLAN_FILE, Outcomes

# What file systems say that have no hard links, or not between these two folders.
_NO_LINKS = (errno.EPERM, errno.EOPNOTSUPP, errno.EXDEV, errno.EMLINK, errno.ENOSYS)

# Key of a stored plan for the configuration of the pool that a division is links to.
_POOL = 'pool'


def was_begun_alone(folder: pathlib.Path) -> bool:
    """Whether an unfinished folder has videos of a division that an earlier version began."""
    begun = read_plan(folder / PLAN_FILE)
    return begun is not None and _POOL not in begun and bool(Outcomes(folder).frames)


def linked(plan: Plan, converted) -> tuple[Plan, Callable]:
    """Makes the plan of a division one of links.

    Args:
      plan: of the division by itself.
      converted: the `Conversion` of its pool.

    Returns:
      (the plan, with shards of the pool's videos; what writes them, a `convert.Write` whose decoded
      frames are the pool's).
    """
    number = plan.builder.divisions().index(plan.builder.builder_config.split_number)
    pool = pathlib.Path(converted.data_path)
    stored = cut(plan.builder.name, converted.listing)
    shards, sources = [], {}
    for split in plan.splits:
        of_split = [one for one in stored if one.split.split('_')[number] == split]
        for k, one in enumerate(of_split):
            name = shard_name(plan.builder.name, split, k, len(of_split))
            shards.append(Shard(name, split, one.videos))
            sources[name] = pool / one.name
    plan = dataclasses.replace(plan, shards=shards, stored={**plan.stored, _POOL: pool.parent.name})

    def write(plan, folder, known, report):
        of_pool = Outcomes(pool)
        for shard in plan.shards:
            _link(sources[shard.name], folder / shard.name, report)
        ids = [item.id for shard in plan.shards for item in shard.videos]
        known.faults = {key: of_pool.faults[key] for key in ids if key in of_pool.faults}
        known.replace(
            {key: of_pool.frames[key] for key in ids if key in of_pool.frames},
            {key: of_pool.skipped[key] for key in ids if key in of_pool.skipped},
        )
        return converted.frames_decoded

    return plan, write


def _link(source: pathlib.Path, path: pathlib.Path, report: Report) -> None:
    path.unlink(missing_ok=True)  # of an attempt before, perhaps of another pool
    try:
        os.link(source, path)
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
        report(f'{path.name}: copied, for {error.strerror} where it was to be linked')
        shutil.copyfile(source, path)
