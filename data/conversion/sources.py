"""The files that a dataset is made from, as they are now: what is there, and a digest of all."""

import dataclasses
import hashlib
import json
import os
import stat

from data.datasets.builder import VideoBuilder
from data.errors import Report
from data.listing import Video
from s3dg.progress import ProgressLine


class Sources:
    """The state of every file of a listing, looked at once.

    Attributes:
      folders: paths of the videos that are folders of frames.
    """

    def __init__(self, builder: VideoBuilder, splits: dict[str, list[Video]], report: Report):
        self._name, self._report = builder.info.full_name, report
        self._labels, self._splits = builder.label_names(), splits
        self._states: dict[str, list | None] = {}
        self.folders: list[str] = []
        progress = ProgressLine(self._name, 'videos looked for', report)
        items = (item for videos in splits.values() for item in videos)
        for done, item in enumerate(items, start=1):
            for path in item.source:
                if path is not None and path not in self._states:
                    self._look_at(path)
            progress(done)

    def _look_at(self, path):
        try:
            state = os.stat(path)
        except OSError:  # not there, or a name that no file can have
            self._states[path] = None
            return
        self._states[path] = [state.st_size, state.st_mtime_ns]
        if stat.S_ISDIR(state.st_mode):
            self.folders.append(path)

    def has(self, path: str) -> bool:
        """Whether a file or folder of the listing is there."""
        return self._states[path] is not None

    def digest(self) -> str:
        """SHA-256 of the labels and of the list of videos with the states of their files.

        The state of a folder changes when a file in it comes or goes.
        """
        return self._digest(self._states)

    def digest_with_frames(self) -> str:
        """The same with the states of all files in the folders, which may be millions."""
        states = dict(self._states)
        total = len(self.folders)
        progress = ProgressLine(self._name, 'folders of frames looked into', self._report, total)
        for done, path in enumerate(self.folders, start=1):
            try:
                states[path] = [*states[path], _digest_of_folder(path)]
            except OSError:  # no permission, for example
                states[path] = None
            progress(done)
        return self._digest(states)

    def _digest(self, states) -> str:
        digest = hashlib.sha256()
        # Stored labels are places in this list.
        digest.update(json.dumps(self._labels).encode() + b'\n')
        for split, videos in self._splits.items():
            for item in videos:
                line = [split, *dataclasses.astuple(item), states[item.path]]
                if item.annotation is not None:
                    line.append(states[item.annotation])
                digest.update(json.dumps(line).encode() + b'\n')
        return digest.hexdigest()


def _digest_of_folder(path: str) -> str:
    digest = hashlib.sha256()
    with os.scandir(path) as entries:
        for entry in sorted(entries, key=lambda entry: entry.name):
            state = entry.stat()
            digest.update(os.fsencode(entry.name))
            digest.update(f'\0{state.st_size}\0{state.st_mtime_ns}\0'.encode())
    return digest.hexdigest()
