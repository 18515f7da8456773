"""What two lists of classes differ in, in words."""

from s3dg.errors import one_line

_NAMED = 3
_LONGEST_NAME = 40


def describe_difference(found, expected):
    """How many classes two lists have, and where they first differ.

    Args:
      found, expected: the names, in the order of the labels; they are not the same.

    Returns:
      e.g. "3 classes, expected 3; 1 places differ: class 2 is 'dance', expected 'jump'; 2 names are
      in both".
    """
    found, expected = list(found), list(expected)
    differ = []
    for place in range(max(len(found), len(expected))):
        if found[place : place + 1] == expected[place : place + 1]:
            continue
        one, other = (
            repr(one_line(names[place], _LONGEST_NAME)) if place < len(names) else None
            for names in (found, expected)
        )
        differ.append(f'class {place} is {one or "not there"}, expected {other or "none"}')
    common = len(set(found) & set(expected))
    shown = '; '.join(differ[:_NAMED])
    return (
        f'{len(found)} classes, expected {len(expected)}; {len(differ)} places differ: {shown}; '
        f'{common} names are in both'
    )
