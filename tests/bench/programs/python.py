"""Calls, dictionaries, strings, sorting, floating point, exceptions: what scripts do."""
import json
import re
import sys

n = int(sys.argv[1])


def fib(i):
    return i if i < 2 else fib(i - 1) + fib(i - 2)


class Point:
    def __init__(self, x, y):
        self.x, self.y = x, y

    def moved(self, by):
        return Point(self.x + by, self.y * 0.5)


table = {str(i * 7919 % 100003): i for i in range(n * 9000)}
words = sorted(table, key=lambda w: w[::-1])
p = Point(1, 2.0)
for i in range(n * 8000):
    p = p.moved(i)
text = " ".join(words[:n * 1000])
found = re.findall(r"\b[1-9]\d*7\b", text)
copy = json.loads(json.dumps({"words": words[:n * 500], "table": table}))
failures = 0
for word in words[:n * 1000]:
    try:
        table[word + "x"]
    except KeyError:
        failures += 1
print(fib(min(n, 27)), len(table), words[:5], p.x, p.y, len(found), len(copy["table"]), failures, sum(i * 0.5 for i in range(n * 5000)))
