"""The style sheet of the page.

Colours are those of Okabe and Ito (jfly.uni-koeln.de/color, "Color Universal Design"), darkened on
white until text in them has a contrast of 4.5 to 1 (WCAG 2.2, 1.4.3) and lines have 3 to 1
(1.4.11). Lines differ in their dashes, too.
"""

from typing import Final

_LIGHT: Final = """
  --paper: #ffffff; --card: #f5f7f9; --ink: #1a1f26; --muted: #535c68; --rule: #cfd6de;
  --blue: #00619b; --orange: #b34b00; --green: #00704f; --band: #00619b2e; --shade: #8a949f33;
"""
_DARK: Final = """
  --paper: #10151b; --card: #1a2129; --ink: #e7ecf1; --muted: #a4b0bc; --rule: #3a4550;
  --blue: #66bbee; --orange: #f0a540; --green: #45cc9f; --band: #66bbee38; --shade: #a4b0bc2e;
"""

STYLE: Final = (
    ":root { color-scheme: light dark;" + _LIGHT + "}\n"
    "@media (prefers-color-scheme: dark) { :root {" + _DARK + "} }\n"
    "@media print { :root { color-scheme: light;" + _LIGHT + "} }\n"
    """
* { box-sizing: border-box; }
html { -webkit-text-size-adjust: 100%; }
body { margin: 0 auto; max-width: 76rem; padding: 1.5rem 1rem 3rem; background: var(--paper);
  color: var(--ink); font: 16px/1.5 system-ui, sans-serif; overflow-wrap: anywhere; }
h1 { font-size: 1.75rem; line-height: 1.2; margin: 0 0 .25rem; }
h2 { font-size: 1.3rem; margin: 2.5rem 0 .75rem; border-bottom: 1px solid var(--rule); }
h3 { font-size: 1.05rem; line-height: 1.3; margin: 0; }
p { margin: .25rem 0 .75rem; max-width: 48rem; }
.unit, .muted, header p { color: var(--muted); }
.unit { font-size: .875rem; margin: 0; }
a { color: var(--blue); }
nav ul { display: flex; flex-wrap: wrap; gap: .25rem 1.25rem; padding: 0; list-style: none; }
nav a { display: inline-block; padding: .25rem 0; }
.advice { display: grid; gap: .75rem; padding: 0; list-style: none; }
.advice li { background: var(--card); border-left: 4px solid var(--orange); padding: .75rem 1rem; }
.advice p { margin: .25rem 0 0; }
.numbers { display: grid; grid-template-columns: repeat(4, 1fr);
  gap: .75rem; margin: 0; }
.numbers div { background: var(--card); padding: .75rem 1rem; }
.numbers dt { color: var(--muted); font-size: .875rem; }
.numbers dd { margin: 0; font-size: 1.4rem; font-weight: 600; line-height: 1.3; }
.numbers dd.note { font-size: .875rem; font-weight: 400; color: var(--muted); }
.plots { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 30rem), 1fr));
  gap: 1rem; align-items: start; }
figure { margin: 0; padding: 1rem; background: var(--card); min-width: 0;
  container-type: inline-size; }
@container (max-width: 34rem) { .wide { display: none; } }
.legend { display: flex; flex-wrap: wrap; gap: .1rem 1rem; margin: .5rem 0 0; padding: 0;
  list-style: none; font-size: .8125rem; }
.legend li { display: flex; align-items: center; gap: .4rem; }
.swatch { flex: none; overflow: visible; }
.frame { margin: .75rem 0 .5rem; }
.frame.over-time { padding: .4rem .75rem 2rem 3.9rem; }
.frame.rows { padding: 0 .25rem 2rem; }
svg.plot { display: block; overflow: visible; font: 13px system-ui, sans-serif; }
svg.over-time { height: 220px; }
.plot text { fill: var(--ink); }
.plot .tick, .plot .note { fill: var(--muted); font-size: 12px; }
.plot .x { text-anchor: middle; }
.plot .first { text-anchor: start; }
.plot .last, .plot .y, .plot .figures { text-anchor: end; }
.grid { stroke: var(--rule); stroke-width: 1; vector-effect: non-scaling-stroke; fill: none; }
.line { fill: none; stroke-width: 2.25; vector-effect: non-scaling-stroke; stroke-linejoin: round; }
.rate, .spent { stroke: var(--blue); }
.limit { stroke: var(--orange); stroke-dasharray: 8 4; }
.even { stroke: var(--green); stroke-dasharray: 2 4; }
.strongest { stroke: var(--orange); stroke-dasharray: 8 4; }
.dot { fill: var(--blue); stroke: none; }
.dot.strongest { fill: var(--orange); }
.band { fill: var(--band); stroke: var(--band); stroke-width: 3;
  vector-effect: non-scaling-stroke; }
.shade { fill: var(--shade); }
.track { fill: var(--rule); opacity: .45; }
.bar, .mark { fill: var(--blue); }
.range { stroke: var(--blue); stroke-width: 3; opacity: .55; }
details { font-size: .875rem; }
summary { cursor: pointer; color: var(--blue); padding: .25rem 0; }
.scroll { overflow-x: auto; margin: .5rem 0 1.25rem; }
.scroll:focus-visible, a:focus-visible, summary:focus-visible { outline: 2px solid var(--blue);
  outline-offset: 2px; }
figure .scroll { max-height: 22rem; overflow-y: auto; margin-bottom: 0; }
table { border-collapse: collapse; font-size: .875rem; font-variant-numeric: tabular-nums;
  overflow-wrap: break-word; }
caption { text-align: left; font-weight: 600; font-size: 1rem; padding: .25rem 0; }
th, td { padding: .3rem .5rem; border-bottom: 1px solid var(--rule); text-align: left;
  vertical-align: top; }
thead th { vertical-align: bottom; color: var(--muted); font-weight: 600; }
.number { text-align: right; white-space: nowrap; }
thead .number { white-space: normal; min-width: 4.75rem; }
tbody th { font-weight: 600; max-width: 20rem; min-width: 9.5rem; }
td.text { min-width: 10rem; max-width: 26rem; }
@media (max-width: 40rem) {
  body { padding: 1rem .75rem 2rem; }
  figure { padding: .75rem; }
  tbody th { min-width: 7.5rem; }
  .numbers { grid-template-columns: 1fr 1fr; }
  .numbers dd { font-size: 1.2rem; }
}
@media print {
  @page { size: A4 landscape; margin: 12mm; }
  body { max-width: none; padding: 0; font-size: 10.5pt; }
  nav, summary { display: none; }
  details { display: none; }
  .plots { grid-template-columns: 1fr 1fr; }
  figure, .advice li, .numbers div { break-inside: avoid; border: 1px solid var(--rule); }
  h2, h3, caption { break-after: avoid; }
  h2 { margin-top: 1rem; }
  svg.over-time { height: 9rem; }
  tr { break-inside: avoid; }
  .scroll { overflow: visible; }
  table { font-size: 7.5pt; width: 100%; }
  th, td { padding: .15rem .4rem; }
  td.text, thead .number { min-width: 0; }
  tbody th { min-width: 5.5rem; }
  * { print-color-adjust: exact; -webkit-print-color-adjust: exact; }
}
"""
)
