"""Builder of kinetics400."""

import functools

from data.datasets.builder import VideoBuilder, modality_configs
from data.datasets.facts import Published
from data.datasets.kinetics400 import listing
from data.errors import Report
from data.listing import Video

_INSTRUCTIONS = """\
manual_dir holds the CSVs and the videos of Kinetics-400, as published at
https://github.com/cvdfoundation/kinetics-dataset (videos and CSVs) and in DeepMind's
kinetics400.tar.gz (CSVs):
  train.csv, val.csv (or validate.csv, validation.csv), test.csv
      in manual_dir or in manual_dir/annotations, also with "kinetics_", "kinetics-400_",
      "kinetics400_" or "k400_" before the name. A split whose CSV is not there is left out; take
      test.csv away if you have no test videos.
  {train,val,test}/ID_START_END.mp4, {train,val,test}/LABEL/ID_START_END.mp4 or ID.mp4
      in any folders; ID is the youtube_id, START and END are its seconds in six digits
      ("abcdefghijk_000012_000022.mp4").
  replacement/replacement_for_corrupted_k400/
      whole videos for broken ones of the archives; these are preferred.
"""


class Builder(VideoBuilder, skip_registration=True):
    """Kinetics-400: clips of about ten seconds from YouTube, 400 classes of human actions.

    Labels are the sorted names of the classes.
    """

    MANUAL_DOWNLOAD_INSTRUCTIONS = _INSTRUCTIONS
    BUILDER_CONFIGS = modality_configs()
    PUBLISHED = Published(
        classes=400,
        videos={'train': 246_534, 'validation': 19_906, 'test': 39_805},
        seconds=listing.SECONDS,
        source=listing.SECONDS_SOURCE,
        source_height=256,
    )

    def label_names(self) -> list[str]:
        return listing.label_names(self._clips)

    def prepare_videos(self, report: Report | None = None) -> None:
        if report is not None:
            report(f'{self.name}: {self._listing.describe()}')

    def split_videos(self) -> dict[str, list[Video]]:
        return self._listing.splits

    @functools.cached_property
    def _clips(self) -> dict[str, list[listing.Clip]]:
        return listing.read_clips(self.manual_dir)

    @functools.cached_property
    def _listing(self) -> listing.Listing:
        return listing.find_videos(self.manual_dir, self._clips)
