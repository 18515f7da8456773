"""Installs the library `s3dg` and its program; the rest is used from the checkout."""

from setuptools import find_packages, setup

# What the programs in `experiments` and the datasets in `data` need besides.
EXPERIMENTS = [
    'tensorflow-datasets~=4.9.10',
    'importlib_resources>=6,<8',
    'loky>=3.4,<4',
]

# To read files of the Hugging Face Hub by their addresses, hf://OWNER/REPO/FILE.
HUB = ['huggingface_hub>=2,<3']

TESTS = [
    *EXPERIMENTS,
    *HUB,
    'pytest>=8,<10',
    'pytest-xdist>=3,<4',
    'hypothesis>=6,<7',
    'scipy>=1,<2',
    'ruff~=0.17.5',
    'grimp>=3,<4',
]

setup(
    name='s3dg',
    version='0.1.0',
    description='S3D-G video classification in TensorFlow: training, weights, export.',
    license='Apache-2.0',
    packages=find_packages(include=['s3dg', 's3dg.*']),
    package_data={'s3dg.weights': ['labels/*.txt']},
    python_requires='>=3.11,<3.14',
    entry_points={'console_scripts': ['s3dg = s3dg.__main__:main']},
    install_requires=[
        'tensorflow~=2.21',
        'tensorboard>=2.20,<3',
        'h5py>=3,<4',
        'numpy>=2,<3',
        'av>=16,<19',
        'opencv-contrib-python-headless>=4.13,<6',
        'absl-py>=2,<3',
        'matplotlib>=3.8,<4',
        'scikit-learn>=1.4,<2',
    ],
    extras_require={
        'experiments': EXPERIMENTS,
        'test': TESTS,
        'gpu': ['tensorflow[and-cuda]~=2.21'],
        'beam': [*EXPERIMENTS, 'apache-beam>=2.72,<3'],
        'torch': ['torch>=2.4,<3'],
        'hub': HUB,
    },
)
