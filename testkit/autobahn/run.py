"""Runs cases of the Autobahn test suite against a server that echoes: run.py URL REPORT PATTERN...

A pattern is a case's number with wildcards, such as 6.* or 12.*.[1-4]. The report is JSON: the verdicts of each case.
Ends with an error when a case has no verdict, such as when the server cannot be reached.
"""

import asyncio
import fnmatch
import json
import sys

from client import run_case
from octets import load_cases

# Longer than the longest case gives itself.
LIMIT = 600


async def main(url, report, *patterns):
    cases = load_cases()
    numbers = {number: cases.caseIdtoIdTuple(number) for number in cases.CasesById}
    chosen = [n for n in numbers if any(fnmatch.fnmatchcase(n, pattern) for pattern in patterns)]
    if not chosen:
        sys.exit(f"no case is like {' or '.join(patterns)}")
    verdicts = {}
    for number in sorted(chosen, key=numbers.get):
        case = await asyncio.wait_for(run_case(url, cases.CasesById[number]), LIMIT)
        verdicts[number] = {
            "behavior": case.behavior,
            "closing": case.behaviorClose,
            "result": f"{case.result} {case.resultClose}",
        }
    with open(report, "w", encoding="utf-8") as file:
        json.dump(verdicts, file)


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
