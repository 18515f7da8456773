"""Builder of moving_shapes: writes its videos as .mp4 files, to be stored as any others."""

import dataclasses
import time
from concurrent import futures

from etils import epath

from data import motion_jpeg, video_builder
from data.moving_shapes import shapes


@dataclasses.dataclass
class MovingShapesConfig(video_builder.VideoConfig):
    """Size and seed of the dataset, stored at 72x72 for training crops of 64x64 (ours).

    Attributes:
      train_per_class: training videos of each class.
      validation_per_class: validation videos of each class.
      seed: of all random numbers; another seed gives a dataset with other videos.
    """

    frames_per_second: float | None = float(shapes.FRAMES_PER_SECOND)
    frame_size: tuple[int, int] | None = (72, 72)
    train_per_class: int = 160
    validation_per_class: int = 40
    seed: int = 0


class Builder(video_builder.VideoBuilder, skip_registration=True):
    """Ten classes in five pairs that are mirror images of each other in time."""

    CONFIG_CLASS = MovingShapesConfig
    BUILDER_CONFIGS = [MovingShapesConfig(name='rgb', description='The videos as they are.')]
    FLIP_LEFT_RIGHT = False  # move_right and move_left, turn_clockwise and turn_anticlockwise
    MAX_SKIPPED_FRACTION = 0.0  # they are our own

    def label_names(self) -> list[str]:
        return list(shapes.CLASSES)

    def prepare_videos(self, report: video_builder.Report | None = None) -> None:
        """Writes the .mp4 files that are not there yet; a few hundred a second."""
        jobs = [
            (split, class_name, index, path)
            for split, class_name, index, path in self._files()
            if not path.exists()
        ]
        start = last = time.monotonic()
        with futures.ThreadPoolExecutor() as pool:
            for done, _ in enumerate(pool.map(self._write, jobs), start=1):
                now = time.monotonic()
                if report is not None and (now - last > 5 or done == len(jobs)):
                    last = now
                    report(
                        f'{self.name}: {done}/{len(jobs)} videos made, {done / (now - start):.0f}/s'
                    )

    def split_videos(self) -> dict[str, list[video_builder.Video]]:
        splits = {}
        for split, class_name, _, path in self._files():
            item = video_builder.Video(f'{split}/{class_name}/{path.stem}', str(path), class_name)
            splits.setdefault(split, []).append(item)
        return splits

    def _files(self):
        config = self.builder_config
        folder = epath.Path(self.data_dir_root) / 'generated' / self.name / config.name
        # Videos of other seeds are other videos.
        folder = folder / f'{self.version}-seed{config.seed}'
        counts = {'train': config.train_per_class, 'validation': config.validation_per_class}
        for split, count in counts.items():
            for class_name in shapes.CLASSES:
                for index in range(count):
                    yield split, class_name, index, folder / split / class_name / f'{index:05d}.mp4'

    def _write(self, job) -> None:
        split, class_name, index, path = job
        frames = shapes.video(split, class_name, index, self.builder_config.seed)
        motion_jpeg.write_motion_jpeg(path, frames, shapes.FRAMES_PER_SECOND)
