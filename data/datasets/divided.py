"""Datasets that are published with several divisions of the same videos into splits.

Their videos are stored once, in a pool of all divisions: see `data.conversion.division`.
"""

import abc
import dataclasses
from collections.abc import Mapping, Sequence

from data.datasets.builder import VideoBuilder, VideoConfig, modality_configs
from data.datasets.facts import Published
from data.errors import DatasetError
from data.listing import Video


@dataclasses.dataclass
class SplitConfig(VideoConfig):
    """Also says which of a dataset's published divisions into splits is meant, from 1.

    None: the pool, that is the videos of all divisions, each once.
    """

    split_number: int | None = 1


def split_configs(numbers: Sequence[int]) -> list[SplitConfig]:
    """The configurations `split1_rgb`, `split1_flow`, `split2_rgb`, ... of a dataset."""
    return [
        config
        for number in numbers
        for config in modality_configs(SplitConfig, f'split{number}_', split_number=number)
    ]


class DividedBuilder(VideoBuilder, skip_registration=True):
    """Base of their builders, which state the videos of a division (`division_videos`)."""

    CONFIG_CLASS = SplitConfig
    DEFAULT_CONFIG = 'split1_rgb'

    @abc.abstractmethod
    def division_videos(self) -> dict[str, list[Video]]:
        """The videos of every split of the division; as `split_videos` otherwise."""

    def split_videos(self) -> dict[str, list[Video]]:
        return self.cells() if self.is_pool else self.division_videos()

    @classmethod
    def divisions(cls) -> list[int]:
        """The numbers of the published divisions into splits."""
        return sorted({config.split_number for config in cls.BUILDER_CONFIGS})

    @classmethod
    def published(cls, config: SplitConfig) -> Published:
        """As that of the first division where nothing is published of another one."""
        videos = cls.PUBLISHED.videos
        videos = videos.get(config.split_number, videos[min(videos)])
        return dataclasses.replace(cls.PUBLISHED, videos=videos)

    def published_videos(self) -> Mapping[str, int]:
        return self.PUBLISHED.videos.get(self.builder_config.split_number, {})

    @property
    def is_pool(self) -> bool:
        return self.builder_config.split_number is None

    @classmethod
    def pool_config(cls, config: SplitConfig) -> SplitConfig | None:
        """The configuration of the pool that one is a division of; None where it is of none.

        `split2_rgb` is of `all_rgb`, and `split2_rgb_small` of `all_rgb_small`.
        """
        prefix = f'split{config.split_number}_'
        is_known = config.split_number in cls.divisions() and config.name.startswith(prefix)
        if not is_known or len(cls.divisions()) == 1:
            return None
        name = f'all_{config.name.removeprefix(prefix)}'
        return dataclasses.replace(config, name=name, split_number=None)

    def cells(self) -> dict[str, list[Video]]:
        """The videos of all divisions, each once, by the splits that it is in.

        Returns:
          dict from a name such as "train_test_none" (in the first division's training split, in the
          second one's test split, not in the third one) to the videos. Whole cells make up every
          split of every division.

        Raises:
          DatasetError: as `division_videos`, or where an id is of different videos.
        """
        places, found = {}, {}
        for place, number in enumerate(self.divisions()):
            config = dataclasses.replace(
                self.builder_config, name=f'split{number}', split_number=number
            )
            division = type(self)(config=config, data_dir=self.data_dir_root)
            for split, videos in division.division_videos().items():
                for item in videos:
                    if found.setdefault(item.id, item) != item:
                        raise DatasetError(
                            f'{self.name}: id {item.id!r} is of {found[item.id].path}, of class'
                            f' {found[item.id].label}, and of {item.path}, of class {item.label};'
                            ' expected the same video in all divisions'
                        )
                    places.setdefault(item.id, ['none'] * len(self.divisions()))[place] = split
        cells = {}
        for video_id, splits in sorted(places.items()):
            cells.setdefault('_'.join(splits), []).append(found[video_id])
        return dict(sorted(cells.items()))
