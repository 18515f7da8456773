"""What every network costs, beside what the paper says of it."""

import dataclasses
import itertools

from experiments.paper import results as paper_results
from experiments.paper.families import FAMILIES
from s3dg import cost
from s3dg.config import NETWORKS, SPATIO_TEMPORAL_ENDPOINTS, NetworkConfig
from s3dg.network import Network
from s3dg.program import entry
from s3dg.program.entry import UsageError
from s3dg.progress import ProgressLine

# Fig. 6 draws the stem as 1x7x7 and 7x1x1, and temporal convolutions in two branches, which is what
# torchvision built, with batch norm and its scale everywhere.
_SEPARABLE_STEM = {'stem_separable': True, 'stem_temporal_size': 7}
MORE_NETWORKS = {
    's3d_separable_stem': NETWORKS['s3d'].replace(**_SEPARABLE_STEM),
    's3d_torchvision': NETWORKS['s3d_slim'].replace(
        **_SEPARABLE_STEM, temporal_batch_norm=True, batch_norm_scale=True
    ),
    # Figure 6 to the letter.
    's3d_g_separable_stem': NETWORKS['s3d_slim'].replace(**_SEPARABLE_STEM, gating='temporal'),
    'fast_s3d_two_branches': NETWORKS['fast_s3d'].replace(temporal_branches=2),
}


@dataclasses.dataclass(frozen=True)
class Variant:
    """A network of the table."""

    name: str  # the row's
    config: NetworkConfig  # its `NetworkConfig`
    family: str | None = None  # a key of `FAMILIES`, or None
    # Of one of a family, the first (top-heavy) or last (bottom-heavy) temporal endpoint.
    switching_endpoint: str | None = None


def find_variants(**fields):
    """Every `Variant` of the table, with these fields of `NetworkConfig`, e.g. num_classes=10."""
    named = [Variant(name, config) for name, config in {**NETWORKS, **MORE_NETWORKS}.items()]
    families = [
        Variant(f'{name}/{endpoint}', family.config(endpoint), name, endpoint)
        for name, family in FAMILIES.items()
        for endpoint in SPATIO_TEMPORAL_ENDPOINTS
    ]
    return [
        dataclasses.replace(variant, config=variant.config.replace(**fields))
        for variant in named + families
    ]


def count(variants, clip, report=entry.report):
    """Builds the variants and counts their layers: dict from name to its list of `LayerCost`.

    Args:
      variants: a list of `Variant`.
      clip: (frames, height, width); UsageError where it is too small.
      report: takes lines of progress.
    """
    progress = ProgressLine('counting', 'networks', report, len(variants))
    by_config, counted = {}, {}
    for done, variant in enumerate(variants, start=1):
        if variant.config not in by_config:  # the families' ends are named networks too
            by_config[variant.config] = _count_network(variant, clip)
        counted[variant.name] = by_config[variant.config]
        progress(done)
    return counted


def _count_network(variant, clip):
    try:
        return cost.layer_costs(Network(variant.config), *clip)
    except cost.CostError as error:
        size = 'x'.join(map(str, clip))
        raise UsageError(
            f'--frames, --height, --width: a clip of {size} is too small for {variant.name}: '
            f'{error}'
        ) from error


# What the layers above the stem may be, in the search.
_KINDS = {'dense': 'i3d', 'separable': 's3d', 'separable, two branches': 's3d_slim'}
# Temporal sizes of the stem, and whether it is separable.
_STEMS = ((1, False), *((size, factored) for size in (3, 5, 7) for factored in (False, True)))
COUNTS = ('multiply_adds', 'multiply_adds_inside')
# Closer than this, a configuration has the paper's figure.
SEARCHED_WITHIN = 0.001


def search(clip=(cost.FRAMES, cost.HEIGHT, cost.WIDTH)):
    """Configurations with the multiply-adds that the paper prints, by either count.

    Every stem is put under every range of temporal layers, of every kind. What costs parameters
    alone, such as a gate, is left out.

    Returns:
      dict with 'configurations', how many were looked at, and 'found': of those within
      `SEARCHED_WITHIN` the 'paper_network', the 'count' (one of `COUNTS`), 'multiply_adds' by it,
      and the network: 'stem', 'kind', 'temporal_from' and 'temporal_until'.
    """
    stem, *layers = SPATIO_TEMPORAL_ENDPOINTS
    kinds = {kind: _endpoint_costs(NETWORKS[name], clip) for kind, name in _KINDS.items()}
    flat = _endpoint_costs(NETWORKS['i2d'], clip)
    stems = {}
    for size, factored in _STEMS:
        fields = {'stem_temporal_size': size, 'stem_separable': factored}
        label = f'{"separable " if factored else ""}{size}x7x7'
        stems[label] = _endpoint_costs(NETWORKS['i2d'].replace(**fields), clip)[stem]
    ranges = [layers[i:j] for j in range(1, len(layers) + 1) for i in range(j)]
    configurations, found = 0, []
    for (label, own), (kind, costs), temporal in itertools.product(
        stems.items(), kinds.items(), ranges
    ):
        configurations += 1
        parts = [own] + [
            (costs if name in temporal else flat)[name] for name in flat if name != stem
        ]
        for count in COUNTS:
            found_here = sum(getattr(part, count) for part in parts)
            found += [
                {
                    'paper_network': name,
                    'count': count,
                    'multiply_adds': found_here,
                    'stem': label,
                    'kind': kind,
                    'temporal_from': temporal[0],
                    'temporal_until': temporal[-1],
                }
                for name, paper in paper_results.COSTS.items()
                if abs(found_here / 1e9 / paper.multiply_adds - 1) < SEARCHED_WITHIN
            ]
    return {'configurations': configurations, 'found': found}


def _endpoint_costs(config, clip):
    return cost.per_endpoint(cost.layer_costs(Network(config), *clip))


def beside_paper(name, whole, compared=True):
    """The `Cost` of a network beside what the paper says of it; None where it says nothing.

    'relative_difference_FIELD' is (ours - paper) / paper. `compared` says whether the paper's
    figures hold for what was counted.
    """
    paper_network = paper_results.PAPER_NAMES.get(name) if compared else None
    if paper_network not in paper_results.COSTS:  # or the paper does not say what it costs
        paper_network = None
    ours, paper = dataclasses.asdict(whole), _printed(paper_network)
    differences = {
        field: None if paper[of] is None else ours[field] / paper[of] - 1
        for field, of in _COMPARED.items()
    }
    return {
        **ours,
        'paper_network': paper_network,
        **{f'paper_{field}': figure for field, figure in paper.items()},
        **{f'relative_difference_{field}': share for field, share in differences.items()},
    }


# Our figures, each with the paper's that it stands beside.
_COMPARED = {
    'parameters': 'parameters',
    'multiply_adds': 'multiply_adds',
    'multiply_adds_inside': 'multiply_adds',
}


def _printed(paper_network):
    """The paper's figures of a network, or of None, in our units."""
    if paper_network is None:
        return {'parameters': None, 'multiply_adds': None}
    paper = paper_results.COSTS[paper_network]
    millions = paper.parameters
    return {
        'parameters': None if millions is None else round(millions * 1e6),
        'multiply_adds': round(paper.multiply_adds * 1e9),
    }


def table_rows(variants, layer_costs, compared):
    """dict from name to 'family', 'switching_endpoint' and `beside_paper`; from that of `count`."""
    return {
        variant.name: {
            'family': variant.family,
            'switching_endpoint': variant.switching_endpoint,
            **beside_paper(variant.name, cost.total(layer_costs[variant.name]), compared),
        }
        for variant in variants
    }


def ratios(networks):
    """What the paper says of costs beside I3D's, and ours: rows with the share of I3D's.

    Args:
      networks: the value of `table_rows`.
    """
    i3d = networks['i3d']
    printed = {ratio.network: ratio for ratio in paper_results.RATIOS}
    tables = paper_results.COSTS
    return [
        {
            'network': name,
            'printed': printed[row['paper_network']].printed,
            'source': printed[row['paper_network']].source,
            'paper': tables[row['paper_network']].multiply_adds / tables['I3D'].multiply_adds,
            **{count: row[count] / i3d[count] for count in COUNTS},
        }
        for name, row in networks.items()
        if row['paper_network'] in printed
    ]


def scaled_paper(networks):
    """The paper's multiply-adds as they would be if its counter read I3D as ours does.

    Args:
      networks: the value of `table_rows`, with the paper's figures.

    Returns:
      dict with 'ratio', the paper's I3D over ours, and 'networks', the rows of the others that the
      paper has a figure of, with that figure 'scaled' and the 'relative_difference' of ours to it.
    """
    i3d = networks['i3d']
    ratio = i3d['paper_multiply_adds'] / i3d['multiply_adds']
    rows = [
        {
            'network': name,
            'paper_network': row['paper_network'],
            'multiply_adds': row['multiply_adds'],
            'paper_multiply_adds': row['paper_multiply_adds'],
            'scaled': row['paper_multiply_adds'] / ratio,
        }
        for name, row in networks.items()
        if row['paper_network'] not in (None, 'I3D')
    ]
    for row in rows:
        row['relative_difference'] = row['multiply_adds'] / row['scaled'] - 1
    return {'ratio': ratio, 'networks': rows}
