"""The ten action groups by which Figure 7 of the paper colours Something-Something's videos.

The groups are those of Goyal et al. 2017, Table 7. Their members are taken from a public
transcription (fine_to_10_classes.csv of
github.com/willprice/20bn-something-something-label-hierarchies); that the figure was made with
exactly these labels is not confirmed. They are kept by the text of the label, which both releases
share. Most labels are in no group.
"""

# The index of a group, which Figure 7 prints, is its place.
ACTION_GROUPS = {
    'Dropping': (
        'Something falling like a rock',
        'Something falling like a feather or paper',
        'Throwing something',
        'Throwing something onto a surface',
        'Throwing something in the air and letting it fall',
    ),
    'Moving right to left': (
        'Pushing something from right to left',
        'Pulling something from right to left',
    ),
    'Moving left to right': (
        'Pushing something from left to right',
        'Pulling something from left to right',
    ),
    'Picking': (
        'Picking something up',
        'Lifting something up completely without letting it drop down',
        'Moving something up',
        'Lifting something with something on it',
        'Taking something from somewhere',
        'Taking one of many similar things on the table',
        'Taking something out of something',
    ),
    'Putting': (
        'Putting something next to something',
        'Putting something onto something',
        'Putting something on a surface',
        'Putting something behind something',
        'Putting something similar to other things that are already on the table',
        'Putting something, something and something on the table',
        'Putting something and something on the table',
        'Putting something on a flat surface without letting it roll',
        "Putting something that can't roll onto a slanted surface, so it stays where it is",
    ),
    'Poking': (
        'Poking something so that it falls over',
        "Poking something so lightly that it doesn't or almost doesn't move",
        'Poking a stack of something so the stack collapses',
        'Poking a stack of something without the stack collapsing',
    ),
    'Tearing': (
        'Tearing something into two pieces',
        'Tearing something just a little bit',
    ),
    'Pouring': (
        'Pouring something into something',
        'Pouring something onto something',
        'Pouring something out of something',
        'Pouring something into something until it overflows',
        'Trying to pour something into something, but missing so it spills next to it',
    ),
    'Holding': (
        'Holding something',
        'Holding something in front of something',
    ),
    'Showing': (
        'Showing something on top of something',
        'Showing something behind something',
        'Showing something next to something',
    ),
}

_INDICES = {label: index for index, labels in enumerate(ACTION_GROUPS.values()) for label in labels}


def group_index(label: str) -> int | None:
    """The place in ACTION_GROUPS of the group that a label is in; None: it is in no group."""
    return _INDICES.get(label)
