"""Entry points: one per table and figure of the paper, and the everyday tools."""
