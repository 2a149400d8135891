"""Broken configs and the lines that tell of them: (name, what stood there, what stands there).

The base is ``BASE``; each case replaces one text by another.  The lines of each case stand in
golden.txt beside this file; ``python tests/settings/settings_golden.py`` writes it anew, and
the difference is then read by a person.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from proxy.errors import ConfigError
from proxy.settings import parse

GOLDEN = Path(__file__).with_name("golden.txt")

BASE = """\
listen: 127.0.0.1:8080
admin: 127.0.0.1:9901
models:
  credit-risk:
    match: {path_prefix: /v2/models/credit-risk}
    customer: {header: X-Customer-Id}
    versions:
      "1": {endpoints: [http://127.0.0.1:8001]}
      "2": {endpoints: [http://127.0.0.1:8002]}
      "3": {endpoints: [http://127.0.0.1:8003]}
    split:
      stable: "1"
      canary:
        version: "2"
        percent: 5
      shadow: [{version: "3", percent: 100}]
"""


class Case(NamedTuple):
    name: str
    old: str
    new: str

    @property
    def text(self) -> str:
        assert self.old in BASE, self.name
        return BASE.replace(self.old, self.new, 1)


_PERCENT = "percent: 5\n"
_MODEL = "    split:\n"
_KEY = "{header: X-Customer-Id}"
_URL = "http://127.0.0.1:8001"
_PREFIX = "/v2/models/credit-risk"


_OTHER = """\
  other:
    match: {path_prefix: /v2/models/credit%2Drisk}
    versions: {"1": {endpoints: [unix:/run/a]}}
    split: {stable: "1"}
"""


def _more(name: str, lines: str) -> Case:
    """A case that adds lines to the model."""
    return Case(name, _MODEL, f"    {lines}\n{_MODEL}")


CASES = [
    Case("percent above 100", _PERCENT, "percent: 120\n"),
    Case("percent below 0", _PERCENT, "percent: -0.01\n"),
    Case("percent finer than 0.01", _PERCENT, "percent: 5.005\n"),
    Case("percent with its sign", _PERCENT, 'percent: "5%"\n'),
    Case("percent that is no number", _PERCENT, "percent: .nan\n"),
    Case("percent without end", _PERCENT, "percent: 1e400\n"),
    Case("percent true", _PERCENT, "percent: true\n"),
    Case("percent of nothing", _PERCENT, "percent:\n"),
    Case("percent that is a mapping", _PERCENT, "percent: {a: 1}\n"),
    Case("field misspelt", _PERCENT, "percnt: 5\n"),
    Case("field unknown", _PERCENT, "percent: 5\n        weight: 5\n"),
    Case("two faults, two lines", _PERCENT, "percent: 101\n        wait: 3\n"),
    Case("version is a whole number", '"1": {', "1: {"),
    Case("version is a broken number", '"1": {', "1.10: {"),
    Case("version is a boolean", '"1": {', "true: {"),
    Case("version stands twice", '"2": {', '"1": {'),
    Case("version with a space", '"3": {', '"v 3": {'),
    Case("no versions", '"1": {endpoints: [http://127.0.0.1:8001]}', '"1":'),
    Case("stable is a number", 'stable: "1"', "stable: 1"),
    Case("stable is a broken number", 'stable: "1"', "stable: 1.10"),
    Case("stable does not exist", 'stable: "1"', 'stable: "9"'),
    Case("stable is missing", '      stable: "1"\n', ""),
    Case("canary does not exist", 'version: "2"', 'version: "4"'),
    Case("canary is stable", 'version: "2"', 'version: "1"'),
    Case("canary without customers", f"    customer: {_KEY}\n", ""),
    Case("shadow is stable", 'version: "3"', 'version: "1"'),
    Case("shadow does not exist", 'version: "3"', 'version: "x"'),
    Case("shadow twice", '[{version: "3", percent: 100}]', '[{version: "3"}, {version: "3"}]'),
    Case("shadow is no list", '[{version: "3", percent: 100}]', '{version: "3"}'),
    Case("two keys", _KEY, "{header: X-Customer-Id, cookie: customer}"),
    Case("no key", _KEY, "{missing: random}"),
    Case("key is a text", _KEY, "X-Customer-Id"),
    Case("key with an unknown fate", _KEY, "{header: A, missing: canary}"),
    Case("header with a space", _KEY, "{header: X Customer}"),
    Case("pointer without a slash", _KEY, "{json: customer}"),
    Case("pointer with a bad escape", _KEY, "{json: /a~2}"),
    Case("prefix without a slash", _PREFIX, "v2/models"),
    Case("prefix with a query", _PREFIX, '"/v2?a=b"'),
    Case("prefix ends with a slash", _PREFIX, "/v2/"),
    Case("prefix with dots", _PREFIX, "/v2/../v1"),
    Case("prefix with a space", _PREFIX, "/v2/a b"),
    Case("host with a port", "match: {", "match: {host: 'a.example:80', "),
    Case("match is missing", f"    match: {{path_prefix: {_PREFIX}}}\n", ""),
    Case("https", _URL, "https://127.0.0.1:8001"),
    Case("endpoint with a path", _URL, "http://127.0.0.1:8001/v2"),
    Case("endpoint with a user", _URL, "http://bob:hunter2@127.0.0.1:8001"),
    Case("endpoint with a query", _URL, "'http://127.0.0.1:8001?a=b'"),
    Case("endpoint without a port", _URL, "http://127.0.0.1"),
    Case("endpoint with a port too high", _URL, "http://127.0.0.1:80001"),
    Case("endpoint that is no address", _URL, "http://127.0.0.256:8001"),
    Case("endpoint without a scheme", _URL, "127.0.0.1:8001"),
    Case("endpoint of a relative socket", _URL, "unix:model.sock"),
    Case("endpoint twice", _URL, f"{_URL}, {_URL}"),
    Case("endpoints empty", f"[{_URL}]", "[]"),
    Case("endpoints no list", f"[{_URL}]", _URL),
    Case("listen on the admin's address", "admin: 127.0.0.1:9901", "admin: 127.0.0.1:8080"),
    Case("listen covered by admin", "admin: 127.0.0.1:9901", "admin: 0.0.0.0:8080"),
    Case("listen without a host", "listen: 127.0.0.1:8080", "listen: 8080"),
    Case("listen stands twice", "admin: 127.0.0.1:9901", "listen: 127.0.0.1:9901"),
    Case("workers", "listen: 127.0.0.1:8080", "workers: 0"),
    Case("duration with a space", "listen: 127.0.0.1:8080", "desk_silence: 3 s"),
    Case("duration too short", "listen: 127.0.0.1:8080", "desk_silence: 1ms"),
    Case("models misspelt", "models:", "modles:"),
    Case("models empty", BASE.partition("models:\n")[2], ""),
    Case("two models, one match", "models:\n", "models:\n" + _OTHER),
    Case("model name with a slash", "  credit-risk:", "  credit/risk:"),
    _more("boolean in words", "safe_to_repeat: yes"),
    _more("size in powers of ten", "limits: {hold: 5MB}"),
    _more("limit of nothing", "limits: {in_flight: 0, queue: -1, body: many}"),
    _more("fallback without leave to repeat", "fallback: {}"),
    _more("fallback too slow", "safe_to_repeat: true\n    fallback: {first_byte: 1m}"),
    _more("statuses", "fallback: {statuses: [200, 500]}"),
    _more("thresholds misspelt", "thresholds: of"),
    _more("thresholds of nothing", "thresholds:"),
    _more("error rate without a bound", "thresholds: {error_rate: {window: 1m}}"),
    _more("error rate of nothing", "thresholds: {error_rate: }"),
    _more("error rate in percent", "thresholds: {error_rate: {absolute: 5}}"),
    _more("quantile in percent", "thresholds: {latency: {quantile: 95, absolute: 1s}}"),
    _more("window too long", "thresholds: {latency: [{absolute: 1s, window: 1h}]}"),
    _more("guardrails misspelt", "guardrails: of"),
    _more("guardrail without an event", "guardrails: {rules: {a: {tolerance: 1}}}"),
    _more("guardrail of an unknown event", "guardrails: {rules: {a: {event: crash}}}"),
    _more("guardrail in percent", "guardrails: {alpha: 5, sample_ratio: 1}"),
    _more("guardrail's name is a check's", "guardrails: {rules: {latency: {event: error}}}"),
    _more("slow without a limit", "guardrails: {rules: {a: {event: slow}}}"),
    _more("slow in numbers and words", "guardrails: {rules: {a: {event: slow, over: long}}}"),
    _more("errors over a duration", "guardrails: {rules: {a: {event: error, over: 3s}}}"),
    _more("KPI over a duration", "guardrails: {rules: {a: {event: kpi, of: b, over: 3s}}}"),
    _more("KPI without a name", "guardrails: {rules: {a: {event: kpi}}}"),
    _more("KPI in segments", "guardrails: {rules: {a: {event: kpi, of: b, segments: [age]}}}"),
    _more("fewer errors", "guardrails: {rules: {a: {event: error, direction: decrease}}}"),
    _more("mean of errors", "guardrails: {rules: {a: {event: error, measure: mean, planned: 99}}}"),
    _more("name of an error", "guardrails: {rules: {a: {event: error, of: b, under: 1}}}"),
    _more("margin below tolerance", "guardrails: {rules: {a: {event: error, tolerance: 0.6}}}"),
    _more(
        "all gone", "guardrails: {rules: {a: {event: kpi, of: b, direction: decrease, margin: 1}}}"
    ),
    _more(
        "mean in segments",
        "guardrails: {rules: {a: {event: kpi, of: b}, c: "
        "{event: label, of: d, measure: mean, segments: [age]}}}\n    predictions: {}\n"
        "    labels: {d: {}}\n    segments: {age: {header: A, values: [b]}}",
    ),
    _more("planned for a rate", "guardrails: {rules: {a: {event: error, planned: 1000}}}"),
    _more("segments that are none", "guardrails: {rules: {a: {event: error, segments: [age, Z]}}}"),
    _more(
        "segment's value that is none",
        "segments: {age: {header: A, values: [a]}}\n"
        "    guardrails: {rules: {a: {event: error, segments: [age=b, age=a, age=a]}}}",
    ),
    _more(
        "too many hypotheses",
        f"segments: {{age: {{header: A, values: [{', '.join(f'v{n}' for n in range(31))}]}}}}\n"
        "    guardrails: {rules: {a: {event: error, segments: [age]}, "
        "b: {event: slow, over: 1s, segments: [age]}}}",
    ),
    _more("fallbacks that never are", "guardrails: {rules: {a: {event: fallback}}}"),
    _more("quality that nobody looks at", "guardrails: {rules: {a: {event: bad_output}}}"),
    _more(
        "quality rule that is none",
        "quality: {inputs: {AGE: {type: integer}, x: off}}\n"
        "    guardrails: {rules: {a: {event: bad_input, of: AGE.rnge}, "
        "b: {event: bad_input, of: x.type}, c: {event: bad_output, of: y.range}}}",
    ),
    _more("label without predictions", "guardrails: {rules: {a: {event: label, of: b}}}"),
    _more("validation too short", "validation: {after: 1s, baseline: 1h, tolerance: -1}"),
    _more("last resort that does not exist", 'last_resort: "9"'),
    _more("last resort that is stable", 'last_resort: "1"'),
    _more("last resort that is the canary", 'last_resort: "2"'),
    Case("ejection upside down", f"[{_URL}]", f"[{_URL}], ejection: {{shortest: 1h}}"),
    _more("segment without values", "segments: {age: {header: A}}"),
    _more("segment's value twice", "segments: {age: {header: A, values: [a, a]}}"),
    _more("segment's value is a number", "segments: {age: {header: A, values: [18]}}"),
    _more("segment's name", "segments: {Age-Band: {header: A, values: [a]}}"),
    _more("testers' secret in the file", "testers: {secret: hunter2}"),
    _more("testers' secret not set", "testers: {secret: {env: NOT_SET}}"),
    _more("testers' secret too short", "testers: {secret: {env: SHORT}}"),
    _more("testers' secret twice", "testers: {secret: {env: A, file: b}}"),
    Case("database in the file", "models:", "database: {url: postgresql://a:b@c/d}\nmodels:"),
    Case("database nowhere", "models:", "database: {postgresql: {}}\nmodels:"),
    Case("database's URL not set", "models:", "database: {postgresql: {env: NO}}\nmodels:"),
    Case("database's URL is none", "models:", "database: {postgresql: {env: SHORT}}\nmodels:"),
    Case("database's file", "models:", "database: {postgresql: {file: /none}}\nmodels:"),
    Case("feedback for ever", "models:", "database: {feedback_retention: 99999d}\nmodels:"),
    Case("copy with a changed host", "percent: 100", "headers: {add: {Host: a}}"),
    Case("copy with a broken header", "percent: 100", 'headers: {add: {A: "b\\nC: d"}}'),
    _more("protocol unknown", "predictions: {protocol: v3}"),
    _more("pointers without custom", "predictions: {answer: {columns: {a: /a}}}"),
    _more("custom without pointers", "predictions: {protocol: custom}"),
    _more(
        "custom that reads no inputs",
        "predictions: {protocol: custom, answer: {columns: {a: /a}}}\n    quality: {}",
    ),
    _more("column twice", "predictions: {columns: [a, b, a]}"),
    _more("retention too short", "predictions: {retention: 1s}"),
    _more("range upside down", "quality: {inputs: {age: {range: [100, 18]}}}"),
    _more("range of three", "quality: {inputs: {age: {range: [1, 2, 3]}}}"),
    _more("range without a bound", "quality: {inputs: {age: {range: [null, null]}}}"),
    _more("range of texts", "quality: {inputs: {age: {type: text, range: [1, 2]}}}"),
    _more("set that does not fit its type", "quality: {inputs: {a: {type: integer, set: [1, b]}}}"),
    _more("set of mappings", "quality: {inputs: {a: {set: [{b: 1}]}}}"),
    _more("shape with its rows", "quality: {outputs: {a: {shape: [-1, 2]}}}"),
    _more("column of nothing", "quality: {inputs: {age: }}"),
    _more("nothing to compare with", "quality: {percent: 0}"),
    _more("profile that is not there", "quality: {profile: none.json}"),
    Case("tab", "    split:", "\tsplit:"),
    Case("bracket left open", '[{version: "3", percent: 100}]', '[{version: "3"'),
    Case("tag", 'stable: "1"', "stable: !!str 1.10\n      salt: !secret a"),
    Case("control character", 'stable: "1"', "stable: \x07"),
    Case("second document", "admin:", "---\nadmin:"),
]


def told(case: Case) -> str:
    """The lines that a case brings."""
    try:
        parse(case.text, Path("pointsman.yaml"), {"SHORT": "hunter2"})
    except ConfigError as error:
        return "\n".join(error.problems)
    return "accepted"


def page() -> str:
    return "\n".join(f"# {case.name}\n{told(case)}\n" for case in CASES)


if __name__ == "__main__":
    GOLDEN.write_text(page())
