"""Tables in Markdown."""

from s3dg.program.markdown import markdown_table


def test_tables_line_up():
    table = markdown_table(('a', 'b'), [(1, 0.25), ('x', None)])
    assert table == '| a | b |\n| --- | --- |\n| 1 | 0.2500 |\n| x | None |\n'
