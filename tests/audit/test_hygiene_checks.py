"""AU24 to AU28: what other models left behind, secrets, language and rude words, and what is none of these."""

from __future__ import annotations

from dataclasses import replace

import pytest
from tests.audit.test_audit_checks import clean, row
from tests.audit.test_more_audit_checks import only, planted, rows_of

from doneness.audit.checks.leftovers import CHECK as LEFTOVERS
from doneness.audit.languages import language_of
from doneness.audit.masking import masked
from doneness.core import Status
from doneness.data import normalise


@pytest.mark.parametrize(
    "answer",
    [
        "As an AI language model, I cannot feel.",
        "I am ChatGPT.",
        "I was trained by OpenAI.",
        "作为一个人工智能语言模型，我没有感情。",
        "我是由百度开发的人工智能。",
    ],
)
def test_identity(answer: str) -> None:
    found = only("AU24", planted(answer))
    assert found.evidence["kinds"] == {"identity": 1}


@pytest.mark.parametrize(
    "answer", ["OpenAI is a company.", "I am a doctor.", "I do not know that drug.", "人工智能是一门学科。"]
)
def test_no_identity(answer: str) -> None:
    assert only("AU24", planted(answer)).status is Status.PASS
    assert LEFTOVERS.code == "AU24"


def test_stock_refusals_warn_when_many() -> None:
    train = planted("I'm sorry, but I can't assist with that.")
    assert only("AU24", train).status is Status.WARN
    assert only("AU24", [*train, *(replace(r, line=r.line + 60) for r in clean(100, 3))]).status is Status.PASS


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("Write to jane.roe@clinic.org.", "email"),
        ("Call (415) 555-2671 today.", "phone"),
        ("电话 13812345678。", "phone"),
        ("Key AKIAIOSFODNN7EXAMPLE.", "aws_key"),
        ("ghp_" + "a1B2" * 9, "github_token"),
        ("sk-proj-" + "a1B2" * 8, "api_key"),
        ("-----BEGIN RSA PRIVATE KEY-----\nMIIE\n-----END RSA PRIVATE KEY-----", "private_key"),
        ("password: hunter2hunter", "password"),
        ("Card 4111 1111 1111 1111.", "card"),
        ("身份证 11010519491231002X。", "id_number"),
        ("微信号：abc_12345", "messenger"),
    ],
)
def test_secrets_are_found_and_masked(text: str, kind: str) -> None:
    found = only("AU25", planted(text))
    assert kind in found.evidence["kinds"]
    assert found.status is (
        Status.FAIL if kind in ("aws_key", "github_token", "api_key", "private_key", "password") else Status.WARN
    )
    shown = str(found.to_dict())
    secret = max(text.replace("\n", " ").split(), key=len)
    assert secret.strip(".。：") not in shown
    assert f"[{kind}]" in masked(text)


@pytest.mark.parametrize(
    "text",
    [
        "Call 1-800-273-8255.",
        "me@example.com",
        "ISBN 978-3-16-148410-0",
        "in 2019 or 2020",
        "1,234,567 people",
        "设置强密码：为账户",
    ],
)
def test_what_is_public_is_no_secret(text: str) -> None:
    assert only("AU25", planted(text)).status is Status.PASS


def test_language() -> None:
    english = "It is the best of all that we have, and you can take it with food or with water in the morning."
    german = "Das ist die beste Behandlung, und sie wird mit dem Arzt oder der Ärztin auf die Ursache abgestimmt."
    train = [row(i + 1, f"What is it, and how is it that you can take {i}?", english) for i in range(60)]
    train[4], train[9] = row(5, train[4].prompt, german), row(10, train[9].prompt, "这种药应该在饭后服用，每天两次。")
    found = only("AU26", train)
    assert (found.status, rows_of(found)) == (Status.WARN, (5, 10))
    assert found.evidence["languages"] == {"en": 58, "de": 1, "zh": 1}
    assert only("AU26", train, language="de").status is Status.FAIL
    assert only("AU26", clean(60)).message.key == "audit.au26.none"


def test_code_is_in_no_language() -> None:
    code = "def f(x): return {x: 1}; g = f(2); print(g); h = [f(k) for k in (1, 2)]"
    assert language_of(code, normalise(code).split()) == ""


@pytest.mark.parametrize(
    ("answer", "rude"), [("You are an idiot.", True), ("你个傻逼。", True), ("Bacteria die.", False)]
)
def test_toxicity(answer: str, rude: bool) -> None:
    assert rows_of(only("AU27", planted(answer))) == ((5,) if rude else ())
