"""What the figures of a route suggest: silent unless they are reliable, and enough of them.

Each rule goes by the outer end of an interval at 99 % (a report looks at many figures at once) and
says nothing before there are as many data as it needs: see `cascade.reports.evidence`. None of them
speaks of fewer than 50 requests.

- inverted: a tier costs more a call than one above it. The mean surplus of its turn is over 0 on
  MIN_PAIRS requests that both answered, be it as samples; or over `strongest_cost` of MIN_EVENTS
  requests that ended with its accepted answer.
- move-up: of MIN_EVENTS events the fallback rate is over the cost break-even, whose own uncertainty
  speaks for the tier (MIN_PAIRS outlays of each side), so that asking it first does not pay. Or it
  is over the threshold, and of MIN_REQUESTS requests the monitor had more than half bypass the
  tier. The text then says if the costs alone would speak for asking it.
- overkill: a tier does well enough alone. Under RARE of MIN_EVENTS answers were not accepted, so
  that hardly an answer would change without the tiers above; and, lest its gate be blind, the
  strongest tier contradicts under SMALL of MIN_SAMPLES accepted ones. Or the next tier does not
  help: over 1 - SMALL of its answers, MIN_EVENTS or more, were not accepted either.
- false-accepts: of MIN_SAMPLES accepted answers the strongest tier contradicts SMALL or more.
- drift: the fallback rate of the last quarter of the events, 4 MIN_EVENTS in all, lies DRIFT_ERRORS
  standard errors and DRIFT or more from that of the others. Where tuning said what to expect: the
  fallback rate of the newest LIVE events, MIN_EVENTS or more, lies DRIFT_ERRORS standard errors
  outside the tuned range, or the agreement of the newest LIVE samples, MIN_SAMPLES or more, does.
- idle-gate: a gate passed all of MIN_VERDICTS answers; by the rule of three it turns down fewer
  than 3 / MIN_VERDICTS of them.

Of the first three a tier gets one at most.
"""

from typing import Final

from cascade.reports.costs import on_costs
from cascade.reports.evidence import Evidence
from cascade.reports.figures import Advice
from cascade.reports.quality import on_quality

CODES: Final = ("inverted", "move-up", "overkill", "false-accepts", "drift", "idle-gate")
"""The gravest first."""


def advise(found: Evidence) -> tuple[Advice, ...]:
    """What to do about a route, the gravest first."""
    given = (*on_costs(found), *on_quality(found))
    return tuple(sorted(given, key=lambda advice: CODES.index(advice.code)))
