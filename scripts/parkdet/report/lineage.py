"""Which file was made from which, drawn from the provenance files."""

from html import escape
from pathlib import Path, PurePath
from typing import NamedTuple

from parkdet.report.sources import Run
from parkdet.report.svg import WIDTH, document, nothing, shortened, text, text_width

ROW, GAP, HEIGHT = 64, 12, 24  # units: between rows, between neighbours, node height


class Graph(NamedTuple):
    """Files and the edges between them.

    Attributes:
        edges: (made from, file), by displayed name.
        stale: edges whose input has changed since it was read.
    """

    edges: list[tuple[str, str]]
    stale: set[tuple[str, str]]


def draw_lineage(run: Run, title: str) -> str:
    """The files from top to bottom, each below everything it was made from."""
    graph = read_graph(run)
    if not graph.edges:
        return nothing(title, "There are no provenance files.")
    rows = _rows(graph)
    places, width = _places(rows)
    body = [_edge(places[a], places[b], (a, b) in graph.stale) for a, b in graph.edges]
    made_from_old = {b for _, b in graph.stale}
    body += [_node(name, place, name in made_from_old) for name, place in places.items()]
    return document(title, body, (len(rows) - 1) * ROW + HEIGHT + 8, width)


def read_graph(run: Run) -> Graph:
    """Edges between the files that the sidecars name."""
    records = [(path.parent / record["output"], record) for path, record in run.sidecars()]
    now = {_name(run, path): record["sha256"] for path, record in records}
    edges, stale = [], set()
    for path, record in records:
        for source, digest in record["inputs"].items():
            edge = (_name(run, Path(source)), _name(run, path))
            if edge not in edges and edge[0] != edge[1]:
                edges.append(edge)
            if now.get(edge[0], digest) != digest:
                stale.add(edge)
    return Graph(edges, stale)


def _name(run: Run, path: PurePath) -> str:
    """A file of the run by its path within the results, any other by its name."""
    parts = path.parts
    marker = run.results.name
    if marker in parts[:-1]:
        return "/".join(parts[len(parts) - parts[::-1].index(marker) :])
    return path.name


def _rows(graph: Graph) -> list[list[str]]:
    """The files in rows by the longest path to them; within a row, near their sources."""
    sources: dict[str, list[str]] = {}
    for a, b in graph.edges:
        sources.setdefault(b, []).append(a)
        sources.setdefault(a, [])
    depth = _depths(sources)
    rows: list[list[str]] = [[] for _ in range(max(depth.values()) + 1)]
    for name, row in depth.items():
        rows[row].append(name)
    place: dict[str, float] = {}
    for row in rows:
        row.sort(key=lambda name: (_mean([place.get(source, 0) for source in sources[name]]), name))
        place.update({name: (number + 0.5) / len(row) for number, name in enumerate(row)})
    return rows


def _depths(sources: dict[str, list[str]]) -> dict[str, int]:
    """File -> 0 if made from no other file, else one more than the depth of its deepest source."""
    depth: dict[str, int] = {}
    while len(depth) < len(sources):
        ready = [
            name
            for name, made_from in sources.items()
            if name not in depth and all(source in depth for source in made_from)
        ]
        if not ready:  # a cycle, from sidecars of different runs: break it anywhere
            ready = [next(name for name in sources if name not in depth)]
        for name in ready:
            depth[name] = max((depth.get(source, -1) + 1 for source in sources[name]), default=0)
    return depth


def _mean(values: list[float]) -> float:
    return sum(values) / len(values) if values else 0.0


def _places(rows: list[list[str]]) -> tuple[dict[str, tuple[float, float, float]], float]:
    """Left, top and width of each node, rows centred, and the total width."""
    widths = {name: min(text_width(name) + 14, 220) for row in rows for name in row}
    lengths = [sum(widths[name] + GAP for name in row) - GAP for row in rows]
    whole = max(*lengths, WIDTH) + 8
    places = {}
    for number, (row, length) in enumerate(zip(rows, lengths, strict=True)):
        x = (whole - length) / 2
        for name in row:
            places[name] = (x, 4.0 + number * ROW, widths[name])
            x += widths[name] + GAP
    return places, whole


def _edge(start: tuple[float, float, float], end: tuple[float, float, float], stale: bool) -> str:
    x1, y1 = start[0] + start[2] / 2, start[1] + HEIGHT
    x2, y2 = end[0] + end[2] / 2, end[1]
    bend = (y2 - y1) / 2
    return (
        f'<path class="edge{" stale" if stale else ""}" d="M{x1:.0f},{y1:.0f} '
        f'C{x1:.0f},{y1 + bend:.0f} {x2:.0f},{y2 - bend:.0f} {x2:.0f},{y2:.0f}"/>'
    )


def _node(name: str, place: tuple[float, float, float], stale: bool) -> str:
    x, y, width = place
    return (
        f'<g><title>{escape(name)}</title><rect class="node{" stale" if stale else ""}" '
        f'x="{x:.0f}" y="{y:.0f}" width="{width:.0f}" height="{HEIGHT}" rx="4"/>'
        f"{text(x + width / 2, y + 16, shortened(name, width - 10), 'tick strong', 'middle')}</g>"
    )
