"""Writes the configuration of the Autobahn suite, and judges its reports.

    reports.py configure server|client ADDRESS CASES FOLDER
    reports.py judge     server|client CASES FOLDER
    reports.py port
"""

import json
import os
import random
import re
import socket
import sys

AGENT = "dormouse"
GOOD = ("OK", "INFORMATIONAL")
# How many cases the suite has in each chapter; a report with fewer is not whole.
CHAPTERS = {1: 16, 2: 11, 3: 7, 4: 10, 5: 20, 6: 145, 7: 37, 9: 54, 10: 1, 12: 90, 13: 126}


def configure(direction, address, cases, folder):
    """Writes FOLDER/server.json or FOLDER/client.json."""
    url = "ws://" + address
    config = {"outdir": os.path.join(folder, direction), "cases": cases.split(",")}
    config.update({"exclude-cases": [], "exclude-agent-cases": {}})
    if direction == "server":
        config["servers"] = [{"agent": AGENT, "url": url}]
    else:
        config["url"] = url
    with open(os.path.join(folder, direction + ".json"), "w", encoding="utf-8") as file:
        json.dump(config, file, indent=2)


def port():
    """Prints a port that is free, and below those that other programs are given in between."""
    while True:
        number = random.randrange(10_000, 32_768)
        try:
            socket.create_server(("127.0.0.1", number)).close()
        except OSError:
            continue
        print(number)
        return


def expected(cases):
    """How many cases the patterns ask for at least."""
    count = 0
    for pattern in cases.split(","):
        chapter = re.fullmatch(r"(\d+)\.\*", pattern)
        count += CHAPTERS.get(int(chapter[1]), 1) if chapter else 1
    return count


def judge(direction, cases, folder):
    """Prints one line, and one for each case that is not good. Says whether all is good."""
    try:
        with open(os.path.join(folder, direction, "index.json"), encoding="utf-8") as file:
            results = json.load(file)[AGENT]
    except (OSError, ValueError, KeyError) as error:
        print(f"{direction}: no report: {error}")
        return False
    bad = []
    for case, result in results.items():
        verdicts = result["behavior"], result["behaviorClose"]
        if any(verdict not in GOOD for verdict in verdicts):
            bad.append((case, verdicts))
    for case, (behavior, close) in sorted(bad, key=lambda entry: numbers(entry[0])):
        print(f"{direction}: case {case}: {behavior}, close {close}")
    missing = max(0, expected(cases) - len(results))
    informational = sum(result["behavior"] == "INFORMATIONAL" for result in results.values())
    good = len(results) - len(bad) - informational
    print(
        f"{direction}: {len(results)} cases: {good} OK, {informational} INFORMATIONAL, "
        f"{len(bad)} not good, {missing} missing"
    )
    return not bad and not missing


def numbers(case):
    """The order in which people count: 9.2 before 10.1."""
    return [int(part) for part in case.split(".")]


if __name__ == "__main__":
    command, arguments = sys.argv[1], sys.argv[2:]
    if command == "configure":
        configure(*arguments)
    elif command == "port":
        port()
    else:
        sys.exit(0 if judge(*arguments) else 1)
