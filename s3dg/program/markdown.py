"""Markdown of the reports."""


def markdown_table(header, rows):
    """A Markdown table; floats with four digits."""
    cells = [
        [f'{cell:.4f}' if isinstance(cell, float) else str(cell) for cell in row] for row in rows
    ]
    lines = [header, ['---'] * len(header), *cells]
    return '\n'.join('| ' + ' | '.join(line) + ' |' for line in lines) + '\n'
