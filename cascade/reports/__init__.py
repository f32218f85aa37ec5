"""What an audit log says of a month: figures, and advice in words.

figures.py   what a report holds, each figure with its definition; shares.py, its measures
reading.py   from a log to a report: walks.py reads its requests, in one pass over which
             totals.py, tiers.py and times.py add them up; calls.py, gates.py and remembered.py
             (what the log's latest process was told to expect) read the rest
advice.py    what the figures of a route suggest: costs.py and quality.py, from evidence.py
html.py      a report as a page
planning.py  what the requests of a usage log would cost otherwise; it reads no audit log
"""
