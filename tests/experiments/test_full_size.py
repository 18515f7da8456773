"""The paper preset as it is: full width, clips of 64x224x224, a start from ImageNet."""

import json

import numpy as np
import pytest

from data import catalog
from s3dg.program.loading import load_network
from tests import programs
from tests.data import something_frames
from tests.s3dg.weights import golden


@pytest.mark.slow
def test_two_steps_of_the_paper_preset(tmp_path):
    """Nothing but the number of steps and of clips differs from Something-Something's training."""
    data_dir = something_frames.convert(tmp_path, frames=70)
    arrays = golden.arrays('slim_inception_v1')
    image = golden.write_tensorflow_checkpoint(arrays, tmp_path / 'inception_v1.ckpt')
    workdir = tmp_path / 'run'
    programs.run(
        'train',
        '--dataset=something_something_v1',
        '--preset=paper',
        '--network=s3d_g',
        f'--imagenet={image}',
        '--steps=2',
        '--batch_size=2',
        '--micro_batch_size=1',
        f'--data_dir={data_dir}',
        f'--workdir={workdir}',
    )
    settings = json.loads((workdir / 'config.json').read_text())
    video = settings['video_format']
    assert (video['clip_frames'], video['crop_size']) == (64, [224, 224])
    assert settings['network']['width'] == 1.0
    assert settings['training']['accumulation'] == 2
    assert settings['imagenet'] == str(image)
    results = json.loads((workdir / 'results.json').read_text())
    assert results['step'] == 2
    assert np.isfinite(results['loss'])
    videos = catalog.open_dataset('something_something_v1', 'rgb', data_dir).info.splits
    assert results['videos_seen'] == videos['validation'].num_examples == 3
    # What was trained is near what it started from: two steps change little.
    network = load_network(workdir / 'model.keras')
    (kernel,) = (w for w in network.get_layer('Conv2d_2b_1x1').weights if w.path.endswith('kernel'))
    start = arrays['InceptionV1/Conv2d_2b_1x1/weights']
    change = np.abs(kernel.numpy()[0] - start)
    assert 0 < change.max() < np.abs(start).max()
