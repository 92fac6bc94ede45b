"""Secrets: by name, by form, and wherever a known one turns up again."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bcd.ptrace.redact import _PAIRS, _WORDS, REDACTED, Redactor, words_of

if TYPE_CHECKING:
    from collections.abc import Callable

words = st.sampled_from(sorted(_WORDS))
harmless = st.sampled_from(["user", "x", "old", "total", "http", "db", "page", "id", "v"])


SPELLINGS: list[Callable[[list[str]], str]] = [
    "_".join,
    lambda parts: "__" + "_".join(parts),
    lambda parts: "_".join(parts).upper(),
    lambda parts: "-".join(part.title() for part in parts),
    lambda parts: parts[0] + "".join(part.title() for part in parts[1:]),
    lambda parts: "".join(part.title() for part in parts),
    ".".join,
    lambda parts: " ".join(parts) + "2",
]
INSIDE_OTHERS = [
    ("http://h/?token=abcdefgh&x=1", "http://h/?token=[redacted]&x=1"),
    ("url=https://h/a?x=1&api_key=abcdefgh", "url=https://h/a?x=1&api_key=[redacted]"),
    ("a: b: password: 'abcdefgh'", "a: b: password: '[redacted]'"),
    ("{'a': {'token': 'abcdefgh', 'x': 1}}", "{'a': {'token': '[redacted]', 'x': 1}}"),
    ("x='token=abcdefgh'", "x='token=[redacted]'"),
    (
        r'{"a": "{\"token\": \"abcdefgh\", \"x\": 1}"}',
        r'{"a": "{\"token\": \"[redacted]\", \"x\": 1}"}',
    ),
    (r'"{\\\"token\\\":\\\"abcdefgh', r'"{\\\"token\\\":\\\"[redacted]\\\"'),
    ("ada:abcdefgh@db:5432", "ada:[redacted]@db:5432"),
]
PLAIN = """
author authored authority secretary tokenizer tokenize passwordless keyboard cookiecutter key
monkey primary_key sort_key card dashboard cardinal obsession compass assassin code status_code
private pin public_key api error message total access address
"""
SPELLED = """
password PASSWORD db_password dbPassword DBPassword password2 passwords token access_token
X-API-Key apiKey APIKey api_keys Authorization auth session sessionid session_id access_key
HTTP_AUTHORIZATION PHPSESSID csrf_token _secret __secret secretKey AWS_SECRET_ACCESS_KEY
credit_card card_number cardNumber cvv ssn private_key privateKeys credentials accessKeys
set-cookie CookieJar jwt
"""


@st.composite
def secret_names(draw: st.DrawFn) -> str:
    """A name with a secret word among harmless ones, in one of the usual spellings."""
    parts = draw(st.lists(harmless, max_size=2))
    secret = [draw(words)] if draw(st.booleans()) else draw(st.sampled_from(sorted(_PAIRS))).split()
    if draw(st.booleans()) and not secret[-1].endswith(("s", "no")):
        secret[-1] += "s"
    at = draw(st.integers(0, len(parts)))
    parts = parts[:at] + secret + parts[at:]
    return draw(st.sampled_from(SPELLINGS))(parts)


class TestNames:
    @given(secret_names())
    def test_secret_words(self, name: str) -> None:
        """A secret word is found in every usual spelling, beside any others."""
        assert Redactor().is_secret(name), words_of(name)

    @given(words, st.sampled_from("qzk"), st.sampled_from("qzk"))
    def test_parts_of_words(self, word: str, before: str, after: str) -> None:
        """A secret word inside of a longer one is none."""
        assert not Redactor().is_secret(before + word + after)
        assert not Redactor().is_secret(f"{before}{word}")

    @pytest.mark.parametrize(
        "name",
        PLAIN.split(),
    )
    def test_harmless_names(self, name: str) -> None:
        """Names that only look a little alike are shown."""
        assert not Redactor().is_secret(name)

    @pytest.mark.parametrize(
        "name",
        SPELLED.split(),
    )
    def test_secret_names(self, name: str) -> None:
        """Names that programs really use for secrets are secret."""
        assert Redactor().is_secret(name)

    def test_the_quick_look_leaves_none_out(self) -> None:
        """Each word and each pair is secret, though most names are not split into words."""
        for name in (*_WORDS, *(pair.replace(" ", "_") for pair in _PAIRS)):
            assert Redactor().is_secret(name), name
            assert Redactor().is_secret(f"{name}s".upper()) or name.endswith(("s", "no")), name

    def test_extended_and_relaxed(self) -> None:
        """The list can be extended, by words and pairs, and relaxed name by name."""
        redactor = Redactor(["salary", "birthDay"], ["session_count"])
        assert redactor.is_secret("monthly_salary")
        assert redactor.is_secret("birth_day")
        assert not redactor.is_secret("birth")
        assert not redactor.is_secret("session_count")
        assert redactor.is_secret("session_counts")
        assert Redactor().is_secret("session_count")


class TestForms:
    @pytest.mark.parametrize(
        ("text", "secret"),
        [
            ("Authorization: Bearer abcdef123456.xyz", "abcdef123456.xyz"),
            ("Basic dXNlcjpwYXNzd29yZA==", "dXNlcjpwYXNzd29yZA=="),
            ("eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.abc-_123", "eyJhbGciOiJIUzI1NiJ9"),
            ("postgresql://ada:s3cr3t-pw@db/shop", "s3cr3t-pw"),
            ("redis://:only-password@host:6379/0", "only-password"),
            ("password=hunter2hunter2", "hunter2hunter2"),
            ("?user=ada&token=abcdef0123&page=2", "abcdef0123"),
            ('{"api_key": "0123456789abcdef", "n": 1}', "0123456789abcdef"),
            ("{'password': 'it\\'s a secret'}", "a secret"),
            ("--password hunter2hunter2", "hunter2hunter2"),
            ("Cookie: sid=abcdef; theme=dark", "abcdef"),
            ("PASSWORD = 'quoted secret'", "quoted secret"),
            (
                "-----BEGIN RSA PRIVATE KEY-----\nMIIEow\nIBAAK\n-----END RSA PRIVATE KEY-----",
                "MIIEow",
            ),
            ("-----BEGIN PRIVATE KEY-----\nMIIEvQcut off", "MIIEvQ"),
        ],
    )
    def test_forms(self, text: str, secret: str) -> None:
        """What has a secret's form is replaced within its text, under any name."""
        result = Redactor().text(f"before {text} after")
        assert secret not in result
        assert REDACTED in result
        assert result.startswith("before ")

    @pytest.mark.parametrize(
        "text",
        [
            "author=Ada Lovelace",
            "http://host:8080/path",
            "see https://example.org/a@b",
            "token",
            "password=None",
            "the session is over",
            "basic usage",
            "a: b, key = value",
            "mailto:ada@example.org",
            "to: ada@example.org",
            "ada@example.org:8080",
        ],
    )
    def test_harmless_texts(self, text: str) -> None:
        """Texts without a secret stay as they are."""
        assert Redactor().text(text) == text

    @given(st.text())
    def test_any_text(self, text: str) -> None:
        """No text makes it fail, and doing it twice changes nothing more."""
        redactor = Redactor()
        once = redactor.text(text)
        assert redactor.text(once) == once

    @given(st.text(st.sampled_from("password=:'\" \\{}[]&;-@/tok\n"), max_size=60))
    def test_any_text_of_marks(self, text: str) -> None:
        """Nor does a text that is made of nothing but what the forms look for."""
        redactor = Redactor()
        redactor.text(text)
        redactor.source(text)
        redactor.scrub(text)


class TestOptions:
    @pytest.mark.parametrize("argument", ["--password", "-token", "--api-key", "--dbPassword"])
    def test_secret_ones(self, argument: str) -> None:
        """What follows such an argument is secret."""
        assert Redactor().is_option(argument)

    @pytest.mark.parametrize("argument", ["password", "--author", "--password=x", "-", "--"])
    def test_other_arguments(self, argument: str) -> None:
        """What follows any other is not, or it is in the argument itself."""
        assert not Redactor().is_option(argument)


class TestLearning:
    def test_wherever_it_turns_up(self) -> None:
        """A value that was secret once is replaced in other texts, as it is and escaped."""
        redactor = Redactor()
        redactor.learn("it's a\nsecret value")
        assert redactor.knows_any
        assert redactor.scrub("x it's a\nsecret value y") == f"x {REDACTED} y"
        assert redactor.scrub(repr("it's a\nsecret value")).count(REDACTED) == 1

    def test_what_a_form_caught_is_learnt(self) -> None:
        """A password of a URL is replaced where it stands alone later."""
        redactor = Redactor()
        redactor.text("postgresql://ada:s3cr3t-pw-long@db/shop")
        assert redactor.scrub("connecting with s3cr3t-pw-long") == f"connecting with {REDACTED}"

    @pytest.mark.parametrize("kept", range(4, 16))
    def test_a_beginning_that_a_limit_left(self, kept: int) -> None:
        """The beginning of a secret before the mark of a cut is replaced too."""
        redactor = Redactor()
        redactor.learn("hunter2hunter2hunter2")
        cut = f"'says {'hunter2hunter2hunter2'[:kept]}…' (3,000 characters)"
        assert redactor.scrub(cut) == f"'says {REDACTED}…' (3,000 characters)"

    def test_whole_and_cut_in_one_text(self) -> None:
        """A secret is replaced where it is whole and where a limit left its beginning."""
        redactor = Redactor()
        redactor.learn("hunter2hunter2hunter2")
        text = "['says hunter2hunt…', 'hunter2hunter2hunter2']"
        assert redactor.scrub(text) == f"['says {REDACTED}…', '{REDACTED}']"

    @pytest.mark.parametrize("first", [0, 1])
    def test_one_that_is_a_part_of_another(self, first: int) -> None:
        """Nothing of the longer one stays, whichever was learnt first, whole or cut."""
        redactor = Redactor()
        short, long = "hunter2hunter2", "hunter2hunter2-and-more-of-it"
        redactor.learn((short, long)[first])
        redactor.learn((long, short)[first])
        text = f"{long}, {short}, {long[:20]}… (3,000 characters)"
        expected = f"{REDACTED}, {REDACTED}, {REDACTED}… (3,000 characters)"
        assert redactor.scrub(text) == expected

    def test_a_short_one_beside_a_long_one(self) -> None:
        """What is replaced is no part of the word that a short one might be a part of."""
        redactor = Redactor()
        redactor.learn("shadow")
        redactor.learn("hunter2hunter2")
        assert redactor.scrub("hunter2hunter2shadow") == f"{REDACTED}{REDACTED}"

    @given(
        st.lists(st.text("ab", min_size=12, max_size=24), min_size=1, max_size=3),
        st.lists(st.integers(0, 2), min_size=1, max_size=4),
        st.lists(st.text("abc ", max_size=3), min_size=4, max_size=4),
    )
    def test_however_they_overlap(
        self, secrets: list[str], order: list[int], between: list[str]
    ) -> None:
        """No character stays that belongs to a secret, and every other one does."""
        redactor = Redactor()
        for secret in secrets:
            redactor.learn(secret)
        pairs = zip(order, between, strict=False)
        text = "".join(secrets[which % len(secrets)] + other for which, other in pairs)
        hidden = {
            at + offset
            for secret in secrets
            for at in range(len(text))
            if text.startswith(secret, at)
            for offset in range(len(secret))
        }
        shown = "".join(char for at, char in enumerate(text) if at not in hidden)
        assert redactor.scrub(text).replace(REDACTED, "") == shown

    def test_as_bytes(self) -> None:
        """A secret text is replaced in what shows it encoded."""
        redactor = Redactor()
        redactor.learn("schlüssel-42")
        assert redactor.scrub(repr("schlüssel-42".encode())) == f"b'{REDACTED}'"

    def test_short_values_are_words(self) -> None:
        """A short value is not looked for; one of medium length not inside of words."""
        redactor = Redactor()
        redactor.learn("abc")
        assert not redactor.knows_any
        redactor.learn("shadow")
        assert redactor.scrub("shadow foreshadowed") == f"{REDACTED} foreshadowed"
        redactor.learn("x" * 12)
        assert redactor.scrub("a" + "x" * 12 + "b") == f"a{REDACTED}b"

    def test_bounded(self) -> None:
        """However many secrets there are, only so many are remembered."""
        redactor = Redactor()
        for number in range(10_000):
            redactor.learn(f"secret number {number}")
        assert len(redactor._known) <= 400

    def test_the_mark_is_never_learnt(self) -> None:
        """What was replaced already is no secret."""
        redactor = Redactor()
        redactor.learn(REDACTED)
        assert not redactor.knows_any


class TestSources:
    @pytest.mark.parametrize(
        ("line", "expected"),
        [
            ('PASSWORD = "hunter2"', 'PASSWORD = "[redacted]"'),
            (
                "connect(password='hunter2', user='ada')",
                "connect(password='[redacted]', user='ada')",
            ),
            ('API_KEY: str = "0123"', 'API_KEY: str = "[redacted]"'),
            ('{"token": "abc"}', '{"token": "[redacted]"}'),
            ("password = read_password()", "password = read_password()"),
            ("if token is None:", "if token is None:"),
            ("author = 'Ada'", "author = 'Ada'"),
            ("url = 'postgres://a:pw@h/d'", "url = 'postgres://a:[redacted]@h/d'"),
        ],
    )
    def test_literals(self, line: str, expected: str) -> None:
        """Only what a line spells out is replaced; code stays readable."""
        assert Redactor().source(line) == expected


class TestInsideOthers:
    @pytest.mark.parametrize(("text", "expected"), INSIDE_OTHERS)
    def test_behind_plain_names(self, text: str, expected: str) -> None:
        """A secret is found in the value of what is none itself, such as an address."""
        assert Redactor().text(text) == expected

    @pytest.mark.parametrize("text", ["a:", "a=", "a='", "b=(token=("])
    def test_many_names(self, text: str) -> None:
        """A text of nothing but names takes no longer than its length tells."""
        redactor = Redactor()
        redactor.text("token=abcdefgh")
        started = time.process_time()
        redactor.text(f"{text * 30_000} token")
        assert time.process_time() - started < 5
