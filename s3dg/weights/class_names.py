"""The labels of Kinetics, in the order of the logits of published networks."""

from importlib import resources

LABEL_SETS = {400: 'kinetics400', 600: 'kinetics600'}


def kinetics_labels(num_classes):
    """The labels of Kinetics-400 or -600 as a tuple; None for another number of classes."""
    if num_classes not in LABEL_SETS:
        return None
    file = resources.files('s3dg.weights') / 'labels' / f'{LABEL_SETS[num_classes]}.txt'
    return tuple(file.read_text(encoding='utf-8').splitlines())
