"""Which part may import which; the import graph is read from the files.

A room is a folder, or a module at the root of a storey. Imports run one way: from a storey to those
below it, within a storey from the rooms above to those below, and never in a circle.
"""

import collections
import pathlib
import re

import grimp
import pytest

ROOT = pathlib.Path(__file__).parents[1]
STOREYS = ('experiments', 'data', 's3dg')  # from top to bottom

# What `data` may know of the library.
OPEN_TO_DATA = ('s3dg.video', 's3dg.progress', 's3dg.files', 's3dg.errors')

# Rooms from top to bottom; those of one line may import each other, though not in a circle.
LAYERS = {
    's3dg': [
        '__main__',
        'commands',
        'program',
        'figures',
        'analysis explanation',
        'features two_stream',
        'detection',
        'training',
        'saving',
        'inference',
        'weights',
        'answers cost network config fields head layers normalization operations',
        'video',
        'progress',
        'files',
        'errors',
    ],
    'data': [
        'catalog',
        'inspection',
        'clips',
        'conversion',
        'datasets',
        'records',
        'boxes encoding',
        'workers',
        'listing',
        'example',
        'errors',
    ],
}


@pytest.fixture(scope='module')
def graph():
    return grimp.build_graph(*STOREYS, include_external_packages=True, cache_dir=None)


@pytest.fixture(scope='module')
def layers(graph):
    """Names of a storey's rooms, one set per layer from top to bottom; programs are one layer."""
    programs = names(graph, 'experiments') - {'paper', 'training'}
    listed = {storey: [set(line.split()) for line in lines] for storey, lines in LAYERS.items()}
    return {'experiments': [programs, {'paper'}, {'training'}], **listed}


def names(graph, storey):
    return {child.removeprefix(f'{storey}.') for child in graph.find_children(storey)}


def wrong_ways(graph, layers, containers=None):
    """Lines 'importer -> imported' of imports, direct or through others, from below to above."""
    layers = [grimp.Layer(*sorted(layer), independent=False) for layer in layers]
    found = graph.find_illegal_dependencies_for_layers(layers, containers)
    routes = [route for dependency in found for route in dependency.routes]
    return sorted(
        ' -> '.join([first, *route.middle, last])
        for route in routes
        for first in route.heads
        for last in route.tails
    )


def room(graph, module):
    if module.count('.') < 2 or graph.find_children(module):
        return module
    return module.rpartition('.')[0]


def circles(graph):
    """Lines 'importer -> imported' of the imports between rooms that form a circle, or join two."""
    imports = collections.defaultdict(set)
    for importer in graph.modules:
        for imported in graph.find_modules_directly_imported_by(importer):
            pair = room(graph, importer), room(graph, imported)
            if pair[0] != pair[1]:
                imports[pair].add(f'{importer} -> {imported}')
    while imports:
        importers, imported = (set(rooms) for rooms in zip(*imports, strict=True))
        inside = {pair for pair in imports if pair[0] in imported and pair[1] in importers}
        if len(inside) == len(imports):
            break
        imports = {pair: imports[pair] for pair in inside}
    return sorted(line for lines in imports.values() for line in lines)


def made_of(*imports):
    """A graph of imports 'importer -> imported', and of the folders that those names imply."""
    graph = grimp.ImportGraph()
    for line in imports:
        pair = line.split(' -> ')
        for module in pair:
            parts = module.split('.')
            for end in range(1, len(parts) + 1):
                graph.add_module('.'.join(parts[:end]))
        graph.add_import(importer=pair[0], imported=pair[1])
    return graph


def test_wrong_ways_are_found():
    graph = made_of('a.top.x -> a.low', 'a.low -> b', 'b -> a.top.y', 'a.top.x -> a.side')
    assert wrong_ways(graph, [{'top', 'side'}, {'low'}], {'a'}) == ['a.low -> b -> a.top.y']
    assert wrong_ways(graph, [{'a'}, {'b'}]) == ['b -> a.top.y']
    assert wrong_ways(graph, [{'b'}, {'a'}]) == ['a.low -> b']


def test_circles_are_found():
    to_and_fro = ['a.one.x -> a.two.y', 'a.two.z -> a.one.v']  # no module is in a circle
    beside = ['a.one.x -> a.one.v', 'a.one.v -> a.one.x', 'a.root -> a.one.x', 'a.two.y -> a.end']
    assert circles(made_of(*to_and_fro, *beside)) == to_and_fro
    assert circles(made_of(*beside)) == []
    deeper = ['a.one.in.x -> a.one.y', 'a.one.z -> a.one.in.x']
    assert circles(made_of(*deeper)) == deeper
    assert circles(made_of('a.x -> a.y', 'a.y -> a.z', 'a.z -> a.x')) != []


def test_storeys_stand_on_those_below(graph):
    assert wrong_ways(graph, [{storey} for storey in STOREYS]) == []


def test_data_knows_little_of_the_library(graph):
    known = {
        f'{module} -> {imported}'
        for module in graph.find_descendants('data') | {'data'}
        for imported in graph.find_modules_directly_imported_by(module)
        if imported.split('.')[0] == 's3dg'
        and '.'.join(imported.split('.')[:2]) not in OPEN_TO_DATA
    }
    assert known == set()


@pytest.mark.parametrize('storey', STOREYS)
def test_rooms_stand_on_those_below(graph, layers, storey):
    assert names(graph, storey) <= set().union(*layers[storey])  # each has its place
    assert wrong_ways(graph, layers[storey], {storey}) == []


def test_no_rooms_import_each_other_in_a_circle(graph):
    assert circles(graph) == []


def test_nothing_imports_the_tests(graph):
    assert 'numpy' in graph.modules  # packages outside are in it
    importers = graph.find_modules_that_directly_import('tests') if 'tests' in graph.modules else ()
    assert sorted(importers) == []


def imports_from_above(root):
    """Imports of a storey by the tests of one below it, in tests/STOREY under a folder."""
    found = []
    for number, storey in enumerate(STOREYS):
        above = '|'.join(f'{name}|tests.{name}' for name in STOREYS[:number]) or '(?!)'
        imports = re.compile(rf'^ *(?:from|import) (?:{above})\b.*', re.MULTILINE)
        for path in sorted((root / 'tests' / storey).rglob('*.py')):
            found += [f'{path.name}: {line.strip()}' for line in imports.findall(path.read_text())]
    return found


def test_tests_of_a_storey_know_nothing_above_it(tmp_path):
    for storey, line in (('s3dg', 'import data'), ('data', '    from experiments.paper import a')):
        (tmp_path / 'tests' / storey).mkdir(parents=True)
        (tmp_path / 'tests' / storey / 'test_a.py').write_text(f'import s3dg\n{line}\n')
    expected = ['test_a.py: from experiments.paper import a', 'test_a.py: import data']
    assert imports_from_above(tmp_path) == expected
    assert imports_from_above(ROOT) == []
