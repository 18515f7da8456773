"""Builder of video_folder: a user's own videos, in one folder per class."""

import collections
import dataclasses
import functools
import pathlib

from data.datasets.builder import VideoBuilder, VideoConfig
from data.datasets.video_folder import listing
from data.errors import DatasetError, Report
from data.listing import Video


@dataclasses.dataclass
class VideoFolderConfig(VideoConfig):
    """Which folder, and how to split it; the configuration's name is the user's word for it."""

    # Share of every class's videos that is kept for validation, where the folder has no `train` and
    # `validation` folders of its own; 0 for none.
    validation_fraction: float = 0.2
    split_seed: int = 0  # of the choice which ones

    def __post_init__(self):
        super().__post_init__()
        if not 0 <= self.validation_fraction < 1:
            raise DatasetError(
                f'validation_fraction: found {self.validation_fraction},'
                ' expected 0 or more and less than 1'
            )


class Builder(VideoBuilder, skip_registration=True):
    """Videos of `manual_dir/CLASS/` or `manual_dir/{train,validation,test}/CLASS/`.

    Labels are the sorted names of the class folders.
    """

    MANUAL_DOWNLOAD_INSTRUCTIONS = 'The folder of videos is given as manual_dir; see README.md.'
    CONFIG_CLASS = VideoFolderConfig
    DEFAULT_CONFIG = 'default'
    MAX_SKIPPED_FRACTION = 1.0  # the folder is the user's to judge; what was skipped is reported

    def label_names(self) -> list[str]:
        return sorted({item.label for item in self._listing.splits['train']})

    def prepare_videos(self, report: Report | None = None) -> None:
        ignored = self._listing.ignored
        if ignored and report is not None:
            report(
                f'{self.name}: ignored {len(ignored)} files and folders that are not videos'
                ' by their names'
            )
            by_kind = collections.defaultdict(list)
            for name in ignored:
                by_kind[pathlib.PurePath(name).suffix.lower()].append(name)
            for suffix, names in sorted(by_kind.items()):
                of_kind = f'with {suffix}' if suffix else 'without a suffix'
                report(f'  {len(names)} {of_kind}, for example {names[0]}')

    def split_videos(self) -> dict[str, list[Video]]:
        return self._listing.splits

    @functools.cached_property
    def _listing(self) -> listing.Listing:
        config = self.builder_config
        return listing.list_videos(self.manual_dir, config.validation_fraction, config.split_seed)
