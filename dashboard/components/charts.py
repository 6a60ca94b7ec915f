"""Charts: direct labels instead of legends, colours from the viewer's theme, worst first."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final, TypeAlias, cast

import altair as alt
import pandas as pd

from dashboard.components.frame import dark
from dashboard.components.when import zone
from dashboard.queries.adapters import Cell
from dashboard.queries.drift import Point
from dashboard.queries.overview import ArmScore
from dashboard.queries.timeline import FAMILIES, Bucket
from dashboard.text import plain

ARM_NAMES: Final = {
    "none": "no memory", "external": "text memory", "parametric": "weights", "both": "both",
}  # fmt: skip


AnyChart: TypeAlias = "alt.Chart | alt.LayerChart | alt.FacetChart"
_DAYS_ABOVE_H: Final = 36
_SECONDS_BELOW_H: Final = 0.3
_STRONG_BELOW: Final = {"light": 0.45, "dark": 0.85}


@dataclass(frozen=True)
class Palette:
    """Ink, grid and the few colours that mean something."""

    ink: str
    muted: str
    grid: str
    surface: str
    accent: str
    pale: str
    red: str
    orange: str
    violet: str
    normal: tuple[str, str, str, str]
    ramp: tuple[str, str, str]
    loss: tuple[str, str, str]


LIGHT: Final = Palette(
    "#15202b", "#53606d", "#e3e8ec", "#ffffff", "#2f5d8c", "#b4c3d2", "#b3423a", "#c7791c",
    "#8460ab", ("#8fabc7", "#bfccd8", "#d5dce2", "#e7ebee"),
    ("#eef3f8", "#7ea3c7", "#173a5e"), ("#b3423a", "#efb483", "#e9eef2"),
)  # fmt: skip
DARK: Final = Palette(
    "#e4e9ee", "#a9b4bf", "#2a333d", "#11161c", "#8db6e0", "#46586a", "#e58179", "#e3a353",
    "#b795da", ("#4f7296", "#3d4f61", "#34404c", "#2a323b"),
    ("#1b242d", "#47749f", "#a9cff5"), ("#f2a79f", "#a9683f", "#232c35"),
)  # fmt: skip


def short_name(document: str) -> str:
    """A document's name as charts show it, and as a click on one returns it."""
    return plain(document, limit=40)


def palette() -> Palette:
    """For the theme in use."""
    return DARK if dark() else LIGHT


def arms(scores: Sequence[ArmScore]) -> AnyChart:
    """Mean F1 of each arm with its 95 % interval, exact match as an open mark."""
    colours = palette()
    frame = pd.DataFrame(
        {
            "arm": [ARM_NAMES[score.arm] for score in scores],
            "f1": [score.f1 for score in scores],
            "exact": [score.exact for score in scores],
            "low": [score.f1 if score.low is None else score.low for score in scores],
            "high": [score.f1 if score.high is None else score.high for score in scores],
            "words": [f"{score.f1:.2f}" for score in scores],
        }
    )
    order = [ARM_NAMES[score.arm] for score in scores]
    axis = alt.Axis(values=[0, 0.25, 0.5, 0.75, 1], format=".2f", title=None, grid=True)
    rows = alt.Y("arm:N", sort=order, title=None, axis=alt.Axis(labelFontSize=13, labelPadding=8))
    scale = alt.Scale(domain=[0, 1])
    base = alt.Chart(frame).encode(y=rows)
    tip = ["arm", alt.Tooltip("f1", format=".3f", title="mean F1"),
           alt.Tooltip("low", format=".3f"), alt.Tooltip("high", format=".3f"),
           alt.Tooltip("exact", format=".3f", title="exact match")]  # fmt: skip
    layers = (
        base.mark_bar(height=16, color=colours.pale, cornerRadiusEnd=2).encode(
            x=alt.X("f1:Q", scale=scale, axis=axis), tooltip=tip
        ),
        base.mark_rule(strokeWidth=2, color=colours.accent).encode(
            x=alt.X("low:Q", scale=scale), x2="high:Q", tooltip=tip
        ),
        base.mark_point(size=55, filled=True, color=colours.accent, opacity=1).encode(
            x="f1:Q", tooltip=tip
        ),
        base.mark_tick(thickness=2, size=16, color=colours.ink).encode(x="exact:Q", tooltip=tip),
        base.mark_text(align="left", dx=6, fontSize=13, fontWeight=600, color=colours.ink).encode(
            x=alt.X("high:Q", scale=scale), text="words:N"
        ),
    )
    return _finish(alt.layer(*layers), colours, height=34 * len(scores) + 28)


def timeline(buckets: Sequence[Bucket], target_us: int | None) -> AnyChart:
    """Events over time by family; normal ones pale, exceptions saturated."""
    colours = palette()
    fills = {
        "taken back": colours.red, "refused": colours.violet, "waiting": colours.orange,
        **dict(zip(("learned", "used", "measured", "set up"), colours.normal, strict=True)),
    }  # fmt: skip
    order = {family: number for number, family in enumerate(FAMILIES)}
    frame = pd.DataFrame(
        {
            "start": [_naive(bucket.start_us) for bucket in buckets],
            "stop": [_naive(bucket.stop_us) for bucket in buckets],
            "family": [bucket.family for bucket in buckets],
            "order": [order[bucket.family] for bucket in buckets],
            "count": [bucket.count for bucket in buckets],
            "seq": [bucket.last_seq for bucket in buckets],
        }
    )
    bars = (
        alt.Chart(frame)
        .mark_bar(binSpacing=1, stroke=colours.surface, strokeWidth=0.5)
        .encode(
            x=alt.X("start:T", title=None, axis=_time_axis(buckets)),
            x2="stop:T",
            y=alt.Y("sum(count):Q", title="events", axis=alt.Axis(tickCount=4, format="d")),
            color=alt.Color(
                "family:N",
                scale=alt.Scale(domain=list(fills), range=list(fills.values())),
                legend=alt.Legend(orient="top", title=None, symbolType="square", columns=7),
            ),
            order=alt.Order("order:Q", sort="descending"),
            tooltip=["family", "count", alt.Tooltip("start:T", format="%d %b %H:%M"),
                     alt.Tooltip("seq", title="up to event")],
        )
    )  # fmt: skip
    layers = [bars]
    if target_us is not None:
        mark = pd.DataFrame({"start": [_naive(target_us)], "words": ["roll back to here"]})
        line = alt.Chart(mark).encode(x="start:T")
        layers.append(line.mark_rule(strokeWidth=2, color=colours.accent))
        early = target_us < buckets[0].start_us + (buckets[-1].stop_us - buckets[0].start_us) / 4
        layers.append(
            line.mark_text(
                align="left" if early else "right",
                dx=5 if early else -5,
                dy=6,
                y=0,
                fontWeight=600,
                color=colours.accent,
                fontSize=12,
            ).encode(text="words:N")
        )
    return _finish(alt.layer(*layers), colours, height=170)


def weights(cells: Sequence[Cell], *, compared: bool) -> AnyChart:
    """Layer by module; darker is a larger change. Compared maps are centred on no change."""
    colours = palette()
    frame = pd.DataFrame(
        {
            "layer": [cell.layer for cell in cells],
            "module": [cell.module for cell in cells],
            "change": [cell.relative_ppm / 10_000 for cell in cells],
        }
    )
    low, middle, high = colours.ramp
    if compared:
        bound = max((abs(value) for value in frame["change"]), default=1.0) or 1.0
        scale = alt.Scale(
            domain=[-bound, 0, bound], range=[colours.orange, low, high], interpolate="rgb"
        )
    else:
        scale = alt.Scale(range=[low, middle, high], interpolate="rgb", domainMin=0)
    chart = (
        alt.Chart(frame)
        .mark_rect(stroke=colours.surface, strokeWidth=1.5)
        .encode(
            x=alt.X(
                "module:N",
                sort=list(dict.fromkeys(frame["module"])),
                title=None,
                axis=alt.Axis(orient="top", labelAngle=0, labelLimit=90),
            ),
            y=alt.Y("layer:O", sort="descending", title="layer"),
            color=alt.Color(
                "change:Q", scale=scale, legend=alt.Legend(title="‖ΔW‖ / ‖W‖ %", gradientLength=150)
            ),
            tooltip=[
                "layer",
                "module",
                alt.Tooltip(
                    "change:Q", format="+.3f" if compared else ".3f", title="% of the weight"
                ),
            ],
        )
    )
    layers = frame["layer"].nunique()
    return _finish(chart, colours, height=max(200, min(460, 58 * layers + 40)), grid=False)


def retention(points: Sequence[Point], alert: float) -> AnyChart:
    """RS@k of each document, their mean in bold, labels at the line ends."""
    colours = palette()
    frame = _points(points)
    mean = frame.groupby("k", as_index=False)["score"].mean()
    last = frame["k"].max()
    x = alt.X(
        "k:Q",
        title="interactions (k)",
        scale=alt.Scale(domain=[0, last * 1.45]),
        axis=alt.Axis(values=sorted(frame["k"].unique()), grid=False, format="d"),
    )
    low = max(0.0, min(0.5, float(frame["score"].min()) - 0.05))
    y = alt.Y("score:Q", title="RS@k", scale=alt.Scale(domain=[low, 1.0]),
              axis=alt.Axis(format="%", tickCount=5))  # fmt: skip
    lines = (
        alt.Chart(frame)
        .mark_line(
            strokeWidth=1.5,
            color=colours.pale,
            point=alt.OverlayMarkDef(color=colours.pale, size=22),
        )
        .encode(
            x=x,
            y=y,
            detail="document:N",
            tooltip=["document", "k", alt.Tooltip("score", format=".1%")],
        )
    )
    bold = alt.Chart(mean).mark_line(strokeWidth=2.5, color=colours.accent).encode(x=x, y=y)
    rule = alt.Chart(pd.DataFrame({"score": [alert], "k": [0], "stop": [last]})).mark_rule(
        color=colours.red, strokeDash=[5, 4]).encode(y=y, x="k:Q", x2="stop:Q")  # fmt: skip
    ends = _spread(frame[frame["k"] == last], mean[mean["k"] == last], low)
    words = alt.Chart(ends[~ends["mean"]]).mark_text(
        align="left", dx=7, fontSize=12, color=colours.muted).encode(
            x="k:Q", y=alt.Y("label_at:Q"), text="words:N")  # fmt: skip
    strong = alt.Chart(ends[ends["mean"]]).mark_text(
        align="left", dx=7, fontSize=12, fontWeight=600, color=colours.accent).encode(
            x="k:Q", y=alt.Y("label_at:Q"), text="words:N")  # fmt: skip
    return _finish(alt.layer(rule, lines, bold, words, strong), colours, height=270)


def losses(points: Sequence[Point], order: Sequence[str]) -> AnyChart:
    """Document by interaction; the more is lost, the stronger the colour. Selectable."""
    colours = palette()
    frame = _points([point for point in points if point.k])
    pick = alt.selection_point(name="step", fields=["document", "k"], on="click", empty=False)
    names = [short_name(name) for name in order]
    base = alt.Chart(frame).encode(
        x=alt.X("k:O", title="interactions (k)", axis=alt.Axis(labelAngle=0, grid=False)),
        y=alt.Y("document:N", sort=names, title=None, axis=alt.Axis(labelLimit=190, grid=False)),
    )
    rects = base.mark_rect(stroke=colours.surface, strokeWidth=2, cursor="pointer").encode(
        color=alt.Color("score:Q", legend=None, scale=alt.Scale(
            domain=[0.5, 0.85, 1.0], range=list(colours.loss), interpolate="rgb", clamp=True)),
        tooltip=["document", "k", alt.Tooltip("score", format=".1%", title="RS@k")],
    ).add_params(pick)  # fmt: skip
    # Text takes the other colour where the fill is strong.
    strong = _STRONG_BELOW["dark" if dark() else "light"]
    words = base.mark_text(fontSize=12).encode(
        text=alt.Text("score:Q", format=".1%"),
        color=alt.condition(
            alt.datum.score < strong, alt.value(colours.surface), alt.value(colours.ink)
        ),
    )
    return _finish(
        alt.layer(rects, words), colours, height=max(120, 38 * len(order) + 44), grid=False
    )


def _time_axis(buckets: Sequence[Bucket]) -> alt.Axis:
    """Days when there are several, else hours of a 24-hour clock."""
    span_h = (buckets[-1].stop_us - buckets[0].start_us) / 3.6e9
    if span_h > _DAYS_ABOVE_H:
        step = 1 + int(span_h // (24 * 14))
        ticks = {"interval": "day", "step": step}
        return alt.Axis(format="%d %b", tickCount=ticks, grid=False, labelOverlap=True)
    style = "%H:%M:%S" if span_h < _SECONDS_BELOW_H else "%H:%M"
    return alt.Axis(format=style, tickCount=8, grid=False, labelOverlap=True)


def _points(points: Sequence[Point]) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "document": [short_name(point.document) for point in points],
            "k": [point.k for point in points],
            "score": [point.score_ppm / 1e6 for point in points],
        }
    )


def _spread(ends: pd.DataFrame, mean: pd.DataFrame, low: float) -> pd.DataFrame:
    """Labels of line ends, moved apart so that none covers another."""
    k = int(ends["k"].iloc[0])
    named = zip(ends["document"].astype(str), ends["score"].astype(float), strict=True)
    labels = [
        (score, f"{score:.0%} {document.rpartition('/')[2]}", False) for document, score in named
    ]
    labels += [(score, f"{score:.0%} mean", True) for score in mean["score"].astype(float)]
    labels.sort(reverse=True)
    gap, last = (1.0 - low) * 0.062, 2.0
    rows = []
    for score, words, is_mean in labels:
        last = min(score, last - gap)
        rows.append({"k": k, "label_at": last, "words": words, "mean": is_mean})
    return pd.DataFrame(rows)


def _finish(chart: AnyChart, colours: Palette, *, height: int, grid: bool = True) -> AnyChart:
    finished = (
        chart.properties(height=height, background="transparent")
        .configure(font='"Source Sans", sans-serif')
        .configure_view(stroke=None)
        .configure_axis(
            labelColor=colours.muted,
            titleColor=colours.muted,
            gridColor=colours.grid,
            grid=grid,
            domain=False,
            ticks=False,
            labelPadding=6,
            labelFontSize=12,
            titleFontSize=12,
            titleFontWeight=400,
        )
        .configure_legend(
            labelColor=colours.muted,
            titleColor=colours.muted,
            labelFontSize=12,
            titleFontSize=12,
            titleFontWeight=400,
        )
    )
    return cast("AnyChart", finished)


def _naive(at_us: int) -> datetime:
    """The viewer's wall clock without a zone: Vega would shift a zoned time again."""
    return datetime.fromtimestamp(at_us / 1e6, tz=UTC).astimezone(zone()).replace(tzinfo=None)
