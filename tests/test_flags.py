"""Below `main` nothing reads the command line: what a function needs is among its arguments."""

import ast
import pathlib
import re

import pytest

ROOT = pathlib.Path(__file__).parents[1]
MODULES = sorted(
    path.relative_to(ROOT).as_posix()
    for folder in ('s3dg', 'data', 'experiments')
    for path in (ROOT / folder).rglob('*.py')
)
PARSES_THE_COMMAND_LINE = 's3dg/program/entry.py'
READS_OR_DEFINES = re.compile(r'main|define_(\w+_)?flags?')


def uses_of_flags(source):
    """Lines that use absl's FLAGS in any other function than `main` and those that define flags.

    The module's own name for them, `FLAGS = flags.FLAGS`, is no use.
    """
    found = []

    def visit(node, is_allowed):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            is_allowed = is_allowed or bool(READS_OR_DEFINES.fullmatch(node.name))
        if isinstance(node, ast.Assign) and ast.unparse(node) == 'FLAGS = flags.FLAGS':
            return
        name = getattr(node, 'id', getattr(node, 'attr', None))
        if name == 'FLAGS' and not is_allowed:
            found.append(node.lineno)
        for child in ast.iter_child_nodes(node):
            visit(child, is_allowed)

    visit(ast.parse(source), False)
    return found


@pytest.mark.parametrize(
    ('source', 'lines'),
    [
        ('FLAGS = flags.FLAGS\ndef main(arguments):\n  print(FLAGS.a)\n', []),
        ('def define_flags():\n  FLAGS.set_default("a", 1)\n', []),
        ('def define_workdir_flags():\n  FLAGS["a"].help += "b"\n', []),
        ('def convert():\n  return FLAGS.a\n', [2]),
        ('def convert():\n  return flags.FLAGS["a"]\n', [2]),
        ('def convert(a=FLAGS.a):\n  return a\n', [1]),
        ('WIDTH = FLAGS.width\n', [1]),
        ('class A:\n  def domain(self):\n    return FLAGS.a, FLAGS.b\n', [3, 3]),
    ],
)
def test_uses_are_found(source, lines):
    assert uses_of_flags(source) == lines


@pytest.mark.parametrize('module', MODULES)
def test_flags_are_read_in_main_alone(module):
    if module == PARSES_THE_COMMAND_LINE:
        pytest.skip('it is what parses them')
    assert not uses_of_flags((ROOT / module).read_text())
