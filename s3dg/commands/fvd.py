"""Computes the Fréchet video distance of two sets of videos, real ones and generated ones.

  s3dg fvd real/ generated/ --model=i3d.keras
  s3dg fvd real/ generated/ --model=i3d.keras --protocol=fvd2048_16f
  s3dg fvd runs/fvd/real.npz other/ --model=i3d.keras --workdir=runs/other

A set is a folder of video files, or of folders of numbered frame images, each a video; folders are
searched with the folders in them. Or it is a .npz of statistics that this program has left: those
of the real videos are made once.

The published figures are made with the network of `s3dg import-weights --source=tfhub_i3d`, whose
logits, averaged over time, are the features. --endpoint takes other features, and any network will
do, for distances of one's own. --protocol says which frames are seen and how they are resized, the
whole frame to 224x224:

  original       all frames of every video (google-research/frechet_video_distance)
  cd_fvd         16 frames of every real video and of 2,048 generated ones
                 (songweige/content-debiased-fvd)
  fvd2048_16f, fvd2048_128f, fvd2048_128f_subsample8f
                 16 frames, 128, or every eighth one of 128, of 2,048 videos each
                 (universome/stylegan-v); stylegan_v is the first

A clip begins with its video. With --random_clips it begins anywhere in it where the published code
has it so: on both sides in cd_fvd, on the real one in StyleGAN-V's. The first videos, by their
paths, are taken.

WORKDIR/real.npz and generated.npz are the statistics: count, mean, covariance, and what they are
of. The same command again takes those that are there, where neither the videos nor their network
have changed. Memory is that of --batch_size clips, however many videos there are. A video that
cannot be read, or has too few frames (fewer than 10 in any case), is named and left out, and the
exit code is 1.
"""

import dataclasses
import time

from absl import flags

from s3dg.analysis import frechet
from s3dg.commands import fvd_clips, fvd_statistics
from s3dg.commands.inputs import find_videos
from s3dg.config import ENDPOINTS
from s3dg.features import LOGITS, MOST_PIXELS
from s3dg.files import readable
from s3dg.network import POOLED_FEATURES
from s3dg.program import entry
from s3dg.program.flags import define_runtime_flags, define_workdir_flags, required
from s3dg.program.loading import load_network, require_rgb
from s3dg.program.markdown import markdown_table
from s3dg.program.number_flags import MOST_CLIPS, MOST_FRAMES, define_count
from s3dg.program.runtime import RuntimeOptions, start_runtime
from s3dg.program.workdir import Run, file_identity, home_path

FLAGS = flags.FLAGS

SIDES = ('real', 'generated')

_LISTED = 20  # rows of a table in report.md, at most; results.json has all


def define_flags():
    """The flags of this program, for it alone."""
    define_workdir_flags('fvd')
    define_runtime_flags()
    flags.DEFINE_string('model', None, 'The .keras file.')
    protocols = list(fvd_clips.PROTOCOLS)
    flags.DEFINE_enum('protocol', 'original', protocols, 'Which frames, and how resized.')
    endpoints = [*ENDPOINTS, POOLED_FEATURES, LOGITS]
    flags.DEFINE_enum('endpoint', LOGITS, endpoints, 'What the features are, averaged over all.')
    frames = "Frames of a clip, in place of the protocol's."
    define_count('frames', None, frames, MOST_FRAMES, least=fvd_clips.LEAST_FRAMES)
    random = "Begin clips anywhere in their videos, where the protocol's own code does."
    flags.DEFINE_bool('random_clips', False, random)
    batch_size = (
        'Clips per device at a time (8 on a GPU, for example); together at most 100 million '
        'pixels, which is 1,992 frames of 224x224.'
    )
    define_count('batch_size', 1, batch_size, MOST_CLIPS)


def most_frames(protocol, batch_size):
    """Frames that a clip may have, for the memory; UsageError where there is no room for one."""
    height, width = protocol.size
    most = MOST_PIXELS // (batch_size * height * width)
    least = protocol.frames or fvd_clips.LEAST_FRAMES
    if least > most:
        raise entry.UsageError(
            f'--batch_size: {batch_size} clips of {least} frames of {height}x{width} are '
            f'{batch_size * least * height * width:,} pixels at once, expected at most '
            f'{MOST_PIXELS:,}.'
        )
    return most


def check_given(label, path):
    """The videos in a folder, or None for a file of statistics; UsageError for anything else."""
    if path.is_dir():
        return [video.path for video in find_videos([path])]
    if path.suffix == '.npz' and path.is_file():
        return None
    found = 'which is a file' if path.exists() else 'which is not there'
    raise entry.UsageError(
        f'{label}: expected a folder of videos or a .npz of statistics, found {path}, {found}.'
    )


def warnings_of(label, side, wanted):
    """What a figure made of a `Side` suffers from, in lines; `wanted` is its number of videos."""
    count, dimensions = side.statistics.count, side.statistics.dimensions
    if count <= dimensions:
        yield (
            f'{label}: {count} videos for {dimensions} dimensions: the covariance is singular, '
            f'expected at least {dimensions + 1}'
        )
    if wanted is not None and count < wanted:
        yield f'{label}: {count} videos, the protocol takes {wanted:,}'
    if side.shortest < side.longest:
        yield (
            f'{label}: clips of {side.shortest} to {side.longest} frames, and the distance depends '
            f'on their length; --frames={side.shortest} takes as many of each'
        )


def main(arguments):
    required('model', FLAGS.model)
    if len(arguments) != len(SIDES):
        raise entry.UsageError(
            f'Found {len(arguments)} arguments, expected two: '
            f's3dg fvd REAL GENERATED --model=FILE.keras'
        )
    started = time.monotonic()
    protocol = fvd_clips.PROTOCOLS[FLAGS.protocol]
    if FLAGS.frames is not None:
        protocol = dataclasses.replace(protocol, frames=FLAGS.frames)
    given = {name: home_path(path) for name, path in zip(SIDES, arguments, strict=True)}
    videos = {name: check_given(name.upper(), path) for name, path in given.items()}
    strategy = start_runtime(RuntimeOptions.of(FLAGS))
    most = most_frames(protocol, FLAGS.batch_size * strategy.num_replicas_in_sync)
    with strategy.scope():
        network = load_network(FLAGS.model)
    require_rgb(network, FLAGS.model)
    embed, dimensions = fvd_statistics.create_embedding(
        network, FLAGS.endpoint, FLAGS.batch_size, strategy
    )
    of = {
        'model': fvd_statistics.network_digest(network),
        'endpoint': FLAGS.endpoint,
        'dtype': FLAGS.dtype,
        'protocol': protocol.name,
        'frames': protocol.frames or 0,
        'stride': protocol.stride,
    }
    settings = {
        **of,
        'model': file_identity(FLAGS.model),
        'random_clips': FLAGS.random_clips,
        'seed': FLAGS.seed if FLAGS.random_clips else None,
        **{name: str(path.absolute()) for name, path in given.items()},
    }
    inputs = [('--model', FLAGS.model), *((name.upper(), path) for name, path in given.items())]
    this = Run('fvd', FLAGS.workdir, settings, FLAGS.overwrite, inputs=inputs, goes_on=True)
    sides, skipped, warnings = {}, {}, []
    for name, paths in videos.items():
        label, file, wanted = name.upper(), this / f'{name}.npz', protocol.videos[name]
        is_random = FLAGS.random_clips and name in protocol.random
        of_side = {**of, 'clips': 'random' if is_random else 'first'}
        if paths is None:
            side = fvd_statistics.read(given[name], of_side, dimensions)
        else:
            seed = FLAGS.seed if is_random else None
            clips = fvd_statistics.Clips(label, paths, protocol, wanted, most, seed)
            side = fvd_statistics.find_or_make(file, clips, of_side, embed)
            skipped |= side.left_out
        sides[name] = side
        warnings += warnings_of(label, side, wanted)
    for line in warnings:
        entry.report(f'warning: {line}')
    distance = frechet.distance(sides['real'].statistics, sides['generated'].statistics)
    results = {
        'fvd': distance,
        **of,
        'model': settings['model']['path'],
        'model_digest': of['model'],
        'dimensions': dimensions,
        **{name: _figures(given[name], side) for name, side in sides.items()},
        'skipped': len(skipped),
        'seconds': time.monotonic() - started,
        'warnings': warnings,
        'skipped_videos': [{'video': video, 'reason': why} for video, why in skipped.items()],
    }
    this.finish(results, _markdown(results))
    counts = ' and '.join(f'{side.statistics.count} {name}' for name, side in sides.items())
    entry.report(f'FVD {distance:.4f}, of {counts} videos: {this.path}')
    return 1 if skipped else 0


def _figures(path, side):
    return {
        'path': readable(path),
        'statistics': readable(side.file),
        'videos': side.statistics.count,
        'shortest': side.shortest,
        'longest': side.longest,
    }


def _markdown(results):
    names = ('fvd', 'protocol', 'model', 'model_digest', 'endpoint', 'dimensions', 'dtype')
    rows = [(name.replace('_', ' '), results[name]) for name in names]
    rows += [('skipped', results['skipped']), ('seconds', results['seconds'])]
    text = f'# Fréchet video distance\n\n{markdown_table(("what", "value"), rows)}'
    sides = [(name, *results[name].values()) for name in SIDES]
    header = ('side', 'given', 'statistics', 'videos', 'shortest clip', 'longest clip')
    text += f'\n{markdown_table(header, sides)}'
    if results['warnings']:
        text += '\n' + ''.join(f'- {line}\n' for line in results['warnings'])
    skipped = [(*row.values(),) for row in results['skipped_videos']]
    if skipped:
        text += f'\n## Skipped\n\n{markdown_table(("video", "reason"), skipped[:_LISTED])}'
    if len(skipped) > _LISTED:
        text += f'\nAnd {len(skipped) - _LISTED} more, in results.json.\n'
    return text
