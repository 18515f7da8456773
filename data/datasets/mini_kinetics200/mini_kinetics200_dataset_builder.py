"""Builder of mini_kinetics200."""

import functools

from data.datasets.builder import VideoBuilder, modality_configs
from data.datasets.facts import Published
from data.datasets.kinetics400 import listing as kinetics400
from data.datasets.mini_kinetics200 import listing
from data.errors import Report
from data.listing import Video

_INSTRUCTIONS = """\
manual_dir holds the lists of Mini-Kinetics-200, from https://github.com/s9xie/Mini-Kinetics-200,
beside the CSVs and the videos of Kinetics-400:
  train_ytid_list.txt, val_ytid_list.txt
      one YouTube id a line. A split whose list is not there is left out.
  train.csv, val.csv (or validate.csv, validation.csv)
      of Kinetics-400, in manual_dir or in manual_dir/annotations; they hold the labels.
  {train,val}/ID_START_END.mp4, {train,val}/LABEL/ID_START_END.mp4 or ID.mp4
      in any folders, as for kinetics400; those that no list names are not read.
  replacement/replacement_for_corrupted_k400/
      whole videos for broken ones of the archives; these are preferred.
"""


class Builder(VideoBuilder, skip_registration=True):
    """Mini-Kinetics-200: 400 training and 25 validation videos of each of 200 classes.

    Labels are the sorted names of those classes of Kinetics-400 that the lists draw from.
    """

    MANUAL_DOWNLOAD_INSTRUCTIONS = _INSTRUCTIONS
    BUILDER_CONFIGS = modality_configs()
    PUBLISHED = Published(
        classes=200,
        videos={'train': 80_000, 'validation': 5_000},
        seconds=kinetics400.SECONDS,
        source=kinetics400.SECONDS_SOURCE,
        source_height=256,
    )

    def label_names(self) -> list[str]:
        return kinetics400.label_names(self._clips)

    def prepare_videos(self, report: Report | None = None) -> None:
        if report is not None:
            report(f'{self.name}: {self._listing.describe()}')

    def split_videos(self) -> dict[str, list[Video]]:
        return self._listing.splits

    def fault(self, item: Video) -> str | None:
        if item.label is None:
            return 'its id is not in the Kinetics-400 CSVs, so it has no label'
        return super().fault(item)

    @functools.cached_property
    def _clips(self) -> dict[str, list[kinetics400.Clip]]:
        return listing.read_clips(self.manual_dir, self.MAX_SKIPPED_FRACTION)

    @functools.cached_property
    def _listing(self) -> kinetics400.Listing:
        return kinetics400.find_videos(self.manual_dir, self._clips)
