"""Which braces are placeholders."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rpd.adapters.spec.template import MAX_WRITTEN, Scope, TemplateError, placeholders, render

NAMES = {"x": "1", "run_id": "r-{x}-$"}


def put(text: str) -> str:
    return render(text, NAMES.__getitem__, NAMES)


@pytest.mark.parametrize(
    ("text", "result"),
    [
        ("{x}", "1"),
        ("a{x}b{x}", "a1b1"),
        ("{run_id}", "r-{x}-$"),
        ("${x} $${x}", "${x} $${x}"),
        ("{{x}}", "{x}"),
        ("${{x}}", "${x}"),
        ("{{{x}}}", "{{x}}"),
        ("{{nobody}}", "{nobody}"),
        ("{1..5} {a,b} {} {{}} { x }", "{1..5} {a,b} {} {{}} { x }"),
        ('{"a": {"x": 1}}', '{"a": {"x": 1}}'),
        ("awk '{print $1}'", "awk '{print $1}'"),
        ("awk '{{print}}'", "awk '{print}'"),
        ('f"{x:.2f} {x!r} {x.y} {x[0]}"', 'f"{x:.2f} {x!r} {x.y} {x[0]}"'),
        ("{{ RUNPOD_SECRET_x }}", "{{ RUNPOD_SECRET_x }}"),
        ("${HOME:-{x}}", "${HOME:-1}"),
        ("{größe}", "{größe}"),
        ("%s %(x)s $x", "%s %(x)s $x"),
    ],
)
def test_rule(text: str, result: str) -> None:
    assert put(text) == result


def test_unknown_names_are_listed_with_the_known_ones_and_the_way_out() -> None:
    with pytest.raises(TemplateError) as caught:
        put("awk '{print}' {runid}")
    assert caught.value.message == (
        "unknown names {print}, {runid}; known: run_id, x; for the braces themselves write {{print}} or { print }"
    )
    with pytest.raises(TemplateError) as caught:
        put("{runid}")
    assert caught.value.message.startswith("unknown name {runid} (did you mean 'run_id'?); known: ")


@given(st.text(alphabet="{}$x_1 '\"\n", max_size=40))
@settings(max_examples=300, deadline=None)
def test_all_but_placeholders_is_kept(text: str) -> None:
    names = placeholders(text)
    rendered = render(text, lambda name: f"<{name}>", names)
    if not names and "{{" not in text:
        assert rendered == text
    assert rendered.count("<") == rendered.count(">") >= len(names)


@given(st.text(max_size=60), st.text(max_size=30))
@settings(max_examples=200, deadline=None)
def test_never_anything_but_a_template_error(text: str, value: str) -> None:
    try:
        render(text, {"x": value}.__getitem__, {"x"})
    except TemplateError as error:
        assert "known: x" in error.message


def test_names_may_use_names_and_circles_are_named() -> None:
    scope = Scope()
    scope.define("a", lambda: scope.render("<{b}>"))
    scope.define("b", lambda: "{a}")
    assert scope.value("a") == "<{a}>"
    scope.define("c", lambda: scope.render("{d}"))
    scope.define("d", lambda: scope.render("{c}"))
    with pytest.raises(TemplateError, match=r"\{c\} needs itself: c -> d -> c"):
        scope.value("c")


def test_doubling_names_and_long_chains_stop() -> None:
    scope = Scope()
    scope.define("v0", lambda: "x" * 1000)
    for number in range(1, 39):
        scope.define(f"v{number}", lambda number=number: scope.render(f"{{v{number - 1}}}" * 2))  # type: ignore[misc]
    with pytest.raises(TemplateError, match=f"larger than {MAX_WRITTEN // 2**20} MiB"):
        scope.value("v38")
    chain = Scope()
    chain.define("v0", lambda: "x")
    for number in range(1, 500):
        chain.define(f"v{number}", lambda number=number: chain.render(f"{{v{number - 1}}}"))  # type: ignore[misc]
    with pytest.raises(TemplateError, match="more than 40 names"):
        chain.value("v499")
