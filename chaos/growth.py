"""What a long run held over time: whether it grew, and a picture of it."""

import html
import statistics

# Name -> unit, what one of it is, by how much the end may exceed the middle (a part of it, and so many more).
SERIES = {
    "resident memory": ("MiB", 1 << 20, 0.15, 32 << 20),
    "descriptors": ("", 1, 0.1, 16),
    "store on disk": ("MiB", 1 << 20, 0.25, 64 << 20),
    "open transactions": ("", 1, 0.5, 50),
    "time to accept": ("ms", 1e-3, 1.0, 0.05),
}
PANEL_WIDTH, PANEL_HEIGHT, MARGIN = 760, 130, 60


def grown(samples):
    """What is too much higher in the last quarter than in the second one, as sentences. `samples`: (seconds, {name:
    value}), in order; those to be compared, for instance of the calm times alone. The first quarter is left to caches and
    retention, which have to fill. Too few samples to tell are a finding, too."""
    findings = []
    for name, (unit, one, part, more) in SERIES.items():
        values = [value[name] for _, value in samples if value.get(name) is not None]
        quarter = len(values) // 4
        if quarter < 3:
            findings.append(f"{name}: {len(values)} samples are too few to tell whether it grew")
            continue
        middle, end = statistics.median(values[quarter:2 * quarter]), statistics.median(values[-quarter:])
        if end > middle * (1 + part) + more:
            findings.append(f"{name} grew from {middle / one:.1f} to {end / one:.1f} {unit}".rstrip())
    return findings


def picture(samples, title):
    """An SVG with a panel for each series. `samples` as for grown()."""
    last = max((at for at, _ in samples), default=1) or 1
    rows = [f'<svg xmlns="http://www.w3.org/2000/svg" width="{PANEL_WIDTH + 2 * MARGIN}" '
            f'height="{40 + len(SERIES) * (PANEL_HEIGHT + 40)}" font-family="sans-serif" font-size="12">',
            '<rect width="100%" height="100%" fill="white"/>', f'<text x="{MARGIN}" y="24">{html.escape(title)}</text>']
    for index, (name, (unit, one, _, _)) in enumerate(SERIES.items()):
        top = 50 + index * (PANEL_HEIGHT + 40)
        points = [(at, value[name] / one) for at, value in samples if value.get(name) is not None]
        highest = max((value for _, value in points), default=0) or 1
        line = " ".join(f"{MARGIN + at / last * PANEL_WIDTH:.1f},{top + PANEL_HEIGHT * (1 - value / highest):.1f}"
                        for at, value in points)
        rows += [f'<rect x="{MARGIN}" y="{top}" width="{PANEL_WIDTH}" height="{PANEL_HEIGHT}" fill="none" stroke="#999"/>',
                 f'<text x="{MARGIN}" y="{top - 6}">{html.escape(name)}, at most {highest:.1f} {unit}</text>',
                 f'<polyline points="{line}" fill="none" stroke="#2456a6"/>',
                 f'<text x="{MARGIN + PANEL_WIDTH}" y="{top + PANEL_HEIGHT + 14}" text-anchor="end">{last / 60:.0f} min</text>']
    return "\n".join([*rows, "</svg>"])
