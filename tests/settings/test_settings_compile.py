"""Settings become the Plan and the thresholds, with the defaults of those who use them."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from proxy.judge import (
    DEFAULT_GUARDRAILS,
    NO_GUARDRAILS,
    Guardrail,
    Guardrails,
    Source,
    policy,
)
from proxy.judge.recovery import Validation
from proxy.routing import plan
from proxy.settings import (
    Settings,
    compile_plan,
    fingerprint,
    guardrails_by_model,
    last_resorts,
    load,
    needs_restart,
    parse,
    split_salt,
    thresholds,
    validations,
)

CONFIGS = Path(__file__).parents[2] / "config"
TEXT = (CONFIGS / "smallest.yaml").read_text()
MODEL = "credit-risk"


def of(text: str) -> Settings:
    return parse(text, Path("pointsman.yaml"), {})


def test_the_smallest_config_uses_every_default_of_the_plan() -> None:
    compiled = compile_plan(of(TEXT), 7)
    versions = tuple(
        plan.VersionPlan(name, (plan.Endpoint("127.0.0.1", 8000 + int(name)),)) for name in "123"
    )
    shadow = plan.ShadowPlan("3", 100, f"{MODEL}/shadow/3", pair_salt=f"{MODEL}/pairs/3")
    model = plan.ModelPlan(
        name=MODEL,
        path_prefix=f"/v2/models/{MODEL}",
        stable="1",
        versions=versions,
        customer=plan.KeySource("header", "X-Customer-Id"),
        salt=f"{MODEL}/split/2",
        canary=plan.CanaryPlan("2", 5.0),
        shadows=(shadow,),
        watch=plan.WatchPlan(),
    )
    assert compiled == plan.Plan(number=7, models=(model,))


def test_the_full_config_crosses_the_channel() -> None:
    compiled = compile_plan(load(CONFIGS / "full.yaml"))
    packed = msgspec.msgpack.encode(compiled)
    assert msgspec.msgpack.decode(packed, type=plan.Plan) == compiled


def test_full_yaml_shows_the_defaults() -> None:
    full = compile_plan(load(CONFIGS / "full.yaml"))
    (model,) = full.models
    (shadow,) = model.shadows
    small = compile_plan(of(TEXT))
    assert full.limits == small.limits
    assert full.desk_silence == small.desk_silence
    assert full.busy_poll == small.busy_poll == 0.0
    assert full.access_log == plan.AccessLog()
    assert (model.deadlines, model.limits) == (plan.Deadlines(), plan.ModelLimits())
    assert model.salt == small.models[0].salt
    assert model.fallback.statuses == plan.Fallback().statuses
    assert (model.versions[0].pool, model.versions[0].ejection) == (
        plan.PoolLimits(),
        plan.Ejection(),
    )
    bare = msgspec.structs.replace(shadow, add=(), path=None, json=None)
    assert bare == small.models[0].shadows[0]


@pytest.mark.parametrize(
    ("source", "read"),
    [
        ("{header: X-A, missing: random}", plan.KeySource("header", "X-A")),
        ("{cookie: a}", plan.KeySource("cookie", "a")),
        ("{query: 'a[0]'}", plan.KeySource("query", "a[0]")),
        ("{json: /a/0/b~1c}", plan.KeySource("json", "/a/0/b~1c")),
    ],
)
def test_customer_keys(source: str, read: plan.KeySource) -> None:
    (model,) = compile_plan(of(TEXT.replace("{header: X-Customer-Id}", source))).models
    assert model.customer == read
    assert model.missing == ("random" if "random" in source else "stable")


@pytest.mark.parametrize(
    ("written", "endpoint"),
    [
        ("http://localhost:80", plan.Endpoint("localhost", 80)),
        ("http://Model.Example.com:8001", plan.Endpoint("model.example.com", 8001)),
        ("'http://[::1]:8001'", plan.Endpoint("::1", 8001)),
        ("unix:/run/a.sock", plan.Endpoint(unix="/run/a.sock")),
    ],
)
def test_endpoints(written: str, endpoint: plan.Endpoint) -> None:
    (model,) = compile_plan(of(TEXT.replace("http://127.0.0.1:8001", written))).models
    assert model.versions[0].endpoints == (endpoint,)


def test_a_host_stands_as_in_the_host_field() -> None:
    hosted = TEXT.replace("match: {", "match: {host: '[::0001]', ")
    assert compile_plan(of(hosted)).models[0].host == "[::1]"


def test_the_salt_follows_the_canary_unless_the_file_gives_one() -> None:
    assert split_salt(of(TEXT), MODEL, "9") == f"{MODEL}/split/9"
    salted = of(TEXT.replace("split:", "split:\n      salt: mine"))
    assert split_salt(salted, MODEL, "9") == compile_plan(salted).models[0].salt == "mine"


def limits(written: str) -> policy.Thresholds:
    return thresholds(of(f"{TEXT}    thresholds: {written}\n"))[MODEL]


def test_thresholds_are_on_by_default() -> None:
    assert thresholds(of(TEXT)) == {MODEL: policy.DEFAULT}
    assert limits("{}") == policy.DEFAULT


@pytest.mark.parametrize("off", ["off", "false"])
def test_thresholds_off_needs_to_be_said(off: str) -> None:
    assert limits(off) == policy.OFF


def test_each_threshold_can_be_off_alone() -> None:
    assert limits("{error_rate: off}") == policy.Thresholds(consecutive_failures=20)
    assert limits("{latency: off}") == policy.DEFAULT
    assert limits("{consecutive_failures: off}").error_rate == policy.DEFAULT.error_rate


def test_one_latency_or_several() -> None:
    p95 = policy.Latency(quantile=0.95, absolute=0.5)
    p50 = policy.Latency(quantile=0.5, relative=2.0, window=30.0, min_requests=10)
    assert limits("{latency: {absolute: 500ms}}").latency == (p95,)
    several = "[{absolute: 0.5}, {quantile: 0.5, relative: 2, window: 30s, min_requests: 10}]"
    assert limits(f"{{latency: {several}}}").latency == (p95, p50)


def test_a_written_error_rate_holds_just_what_is_written() -> None:
    written = limits("{error_rate: {relative: 3}}").error_rate
    assert written == policy.ErrorRate(absolute=None, relative=3.0)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('stable: "1"', 'stable: "3"'),
        ("percent: 5}", "percent: 5.01}"),
        ('canary: {version: "2"', 'canary: {version: "3"'),
        ('      canary: {version: "2", percent: 5}\n', ""),
        ("split:", "split:\n      salt: mine"),
    ],
)
def test_the_fingerprint_follows_the_split(old: str, new: str) -> None:
    edited = TEXT.replace('shadow: [{version: "3", percent: 100}]', "").replace(old, new)
    assert edited != TEXT
    assert fingerprint(of(edited), MODEL) != fingerprint(of(TEXT), MODEL)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("percent: 5}", "percent: 5.00}  # a comment"),
        ("percent: 100", "percent: 50"),
        ("127.0.0.1:8003", "127.0.0.1:9003"),
        ("split:", "deadlines: {total: 1m}\n    split:"),
    ],
)
def test_the_fingerprint_follows_nothing_else(old: str, new: str) -> None:
    assert old in TEXT
    assert fingerprint(of(TEXT.replace(old, new)), MODEL) == fingerprint(of(TEXT), MODEL)


def test_what_needs_a_restart_is_named() -> None:
    log = "access_log: {path: %s, percent: %s}\nlisten: 127.0.0.1:%s\n"
    text = TEXT.replace("listen: 127.0.0.1:8080\n", "")
    old, new = of(text + log % ("a", 1, 80)), of(text + log % ("b", 2, 81))
    assert needs_restart(old, new) == ("listen", "access_log.path")
    assert needs_restart(old, of(text + log % ("a", 2, 80))) == ()
    assert needs_restart(of(text), of(text + log % ("a", 1, 8080))) == ("access_log.path",)
    assert needs_restart(old, old) == ()


def test_credentials_leave_a_copy_unless_they_are_kept_by_name() -> None:
    credentials = plan.ShadowPlan("", 0, "").remove

    def removed(headers: str) -> set[str]:
        text = TEXT.replace('{version: "3", percent: 100}', f'{{version: "3", headers: {headers}}}')
        assert headers in text
        return set(compile_plan(of(text)).models[0].shadows[0].remove)

    assert removed("{remove: [X-Session]}") == {*credentials, "x-session"}
    assert removed("{keep: [AUTHORIZATION]}") == {*credentials} - {"authorization"}
    assert removed("{remove: []}") == {*credentials}


GUARDED = """\
    segments: {{age: {{header: A, values: [young, old]}}, place: {{header: P, values: [here]}}}}
    guardrails: {written}
    split:
"""


def guarded(written: str) -> Settings:
    return of(TEXT.replace("    split:\n", GUARDED.format(written=written), 1))


def test_left_out_guardrails_are_the_judges_default() -> None:
    assert guardrails_by_model(of(TEXT)) == {MODEL: DEFAULT_GUARDRAILS}


def test_guardrails_off_watch_nothing() -> None:
    settings = guarded("off")
    assert guardrails_by_model(settings) == {MODEL: NO_GUARDRAILS}
    assert compile_plan(settings).models[0].watch is None


def test_a_sample_ratio_alone_is_watched() -> None:
    assert compile_plan(guarded("{rules: {}}")).models[0].watch == plan.WatchPlan()


def test_protected_segments_are_written_out() -> None:
    written = "{alpha: 0.01, rules: {a: {event: error, segments: [age=old, age, place=missing]}}}"
    found = guardrails_by_model(guarded(written))[MODEL]
    values = ("age=old", "age=young", "age=other", "age=missing", "place=missing")
    assert found == Guardrails((Guardrail("a", Source.ERROR, segments=values),), alpha=0.01)


def test_the_workers_tell_of_what_is_slower_than_the_least_limit() -> None:
    slow = "{rules: {a: {event: slow, over: 2s}, b: {event: slow, over: 300ms, dry_run: true}}}"
    assert compile_plan(guarded(slow)).models[0].watch == plan.WatchPlan(slow=0.3)


def test_every_field_of_a_rule_is_taken_over() -> None:
    written = (
        "{rules: {kpi: {event: kpi, of: paid, over: 1, under: 9.5, measure: mean, "
        "direction: decrease, tolerance: 0.05, margin: 0.2, critical: false, dry_run: true, "
        "planned: 500}}, sample_ratio: off}"
    )
    rule = Guardrail(
        "kpi", Source.KPI, "paid", 1.0, 9.5, "mean", "decrease", 0.05, 0.2, False, True, (), 500
    )
    assert guardrails_by_model(guarded(written))[MODEL] == Guardrails((rule,), sample_ratio=None)


def test_validation_and_last_resort() -> None:
    assert validations(of(TEXT)) == {MODEL: Validation()}
    more = '    last_resort: "3"\n    validation: {after: 5m, tolerance: 0.1}\n    split:\n'
    settings = of(TEXT.replace("    split:\n", more, 1))
    assert validations(settings) == {MODEL: Validation(after=300.0, tolerance=0.1)}
    assert last_resorts(settings) == {MODEL: "3"}
    off = of(TEXT.replace("    split:\n", "    validation: off\n    split:\n", 1))
    assert (validations(off), last_resorts(off)) == ({}, {})
