"""Keeping secrets out of the snapshot, before its first byte is written.

Three nets, one behind the other: a value under a secret-looking *name* is replaced; a text that
holds something of a secret *form* loses that part; and a value that either of the two caught is
*known* from then on and replaced wherever else it turns up, under whatever name.
"""

from __future__ import annotations

TYPE_CHECKING = False  # `typing` takes 8 ms to import
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from typing import Any

REDACTED = "[redacted]"

_WORDS = frozenset(
    {
        "accesskey",
        "accesstoken",
        "apikey",
        "auth",
        "authorization",
        "authtoken",
        "bearer",
        "cardnumber",
        "cookie",
        "credential",
        "csrf",
        "csrftoken",
        "cvc",
        "cvv",
        "jsessionid",
        "jwt",
        "passphrase",
        "passwd",
        "password",
        "phpsessid",
        "privatekey",
        "pwd",
        "refreshtoken",
        "secret",
        "secretkey",
        "session",
        "sessionid",
        "ssn",
        "token",
        "xsrf",
        "xsrftoken",
    }
)
_PAIRS = frozenset(
    {
        "access key",
        "account key",
        "api key",
        "auth key",
        "card no",
        "card number",
        "client key",
        "credit card",
        "encryption key",
        "private key",
        "security code",
        "sign key",
        "signing key",
    }
)
_FIRST_WORDS = sorted({pair.split()[0] for pair in _PAIRS})
_STEMS = (
    *("auth", "basic ", "bearer", "cookie", "credential", "csrf", "cvc", "cvv", "eyj", "jwt"),
    *("passphrase", "passw", "pwd", "secret", "sessid", "session", "ssn", "token", "xsrf"),
)
_SECOND_WORDS = ("key", "card", "code")
"""A lower-case text that holds no stem, no second word of a pair and no URL with a password has
nothing of a secret form. Most texts are such, and ``re`` takes 6 ms to import."""

_IN_NAMES = (
    *("auth", "bearer", "card", "code", "cookie", "credential", "csrf", "cvc", "cvv", "jwt"),
    *("key", "pass", "pwd", "secret", "sess", "ssn", "token", "xsrf"),
)
"""A name that holds none of these has no secret word: most have none, and to split one into its
words takes 10 µs."""

_KNOWN_LEAST = 6
"""Shorter values are not looked for elsewhere: they are words that many texts hold."""

_KNOWN_ANYWHERE = 12
"""Values of so many characters are replaced inside of words too."""

_KNOWN_MOST = 200
_SHORT = 3
_SCHEMES = frozenset({"basic", "bearer", "digest"})
_CUT = "…"
_QUOTES = frozenset("\"'")


def words_of(name: str) -> list[str]:
    """The words of a name in lower case, split at ``_``, ``-``, other marks and camel case.

    >>> words_of("cardNumber"), words_of("X-API-Key"), words_of("author")
    (['card', 'number'], ['x', 'api', 'key'], ['author'])
    """
    words = [""]
    for index, char in enumerate(name):
        if not char.isalpha():
            words.append("")
            continue
        following = name[index + 1 : index + 2]
        if char.isupper() and (name[index - 1 : index].islower() or following.islower()):
            words.append("")
        words[-1] += char.lower()
    return [word for word in words if word]


def _singular(word: str) -> str:
    """``tokens`` → ``token``; ``access`` and short words stay as they are."""
    return word if word.endswith("ss") or len(word) <= _SHORT else word.removesuffix("s")


def _holds_any(text: str, parts: Iterable[str]) -> bool:
    for part in parts:  # noqa: SIM110 - `any` with a generator takes three times as long
        if part in text:
            return True
    return False


class Redactor:
    """Decides what is secret, and replaces it.

    Args:
        extra: Further words or names that are secret.
        reveal: Names, exactly as they are written, that are not secret.
    """

    def __init__(self, extra: Iterable[str] = (), reveal: Iterable[str] = ()) -> None:
        self._extra = {" ".join(words_of(name)) for name in extra} - {""}
        self._reveal = frozenset(reveal)
        self._names: dict[str, bool] = {}
        self._known: list[str] = []
        self._forms: list[tuple[Any, Callable[[Any], str]]] = []
        self._literal: Any = None
        self._assignment: Any = None
        self._assigned_value: Any = None
        extra_words = {word for name in self._extra for word in name.split()}
        self._stems = (*_STEMS, *extra_words)
        self._in_names = (*_IN_NAMES, *extra_words)

    def is_secret(self, name: str) -> bool:
        """Whether a value under this name is secret."""
        found = self._names.get(name)
        if found is None:
            found = self._names[name] = self._decide(name)
        return found

    def is_option(self, argument: str) -> bool:
        """Whether an argument of a command is an option with a secret value behind it."""
        name = argument.lstrip("-")
        return argument.startswith("-") and "=" not in name and self.is_secret(name)

    def _decide(self, name: str) -> bool:
        if name in self._reveal:
            return False
        if name.isascii() and not _holds_any(name.lower(), self._in_names):
            return False
        words = [_singular(word) for word in words_of(name)]
        if not _WORDS.isdisjoint(words) or not _WORDS.isdisjoint(words_of(name)):
            return True
        joined = f" {' '.join(words)} "
        return any(f" {pair} " in joined for pair in (*_PAIRS, *self._extra))

    def learn(self, value: str) -> None:
        """Remember a secret, so that it is replaced wherever it turns up."""
        value = value.strip()
        if len(value) >= _KNOWN_LEAST and len(self._known) < _KNOWN_MOST and value != REDACTED:
            known = {*self._known, value, repr(value)[1:-1]}
            if not value.isascii():
                known.add(repr(value.encode("utf-8", "replace"))[2:-1])  # as bytes
            if len(known) > len(self._known):
                self._known = sorted(known, key=lambda secret: (-len(secret), secret))

    def text(self, text: str) -> str:
        """Replace what has a secret's form: keys, tokens, passwords in URLs, ``password=…``."""
        if not self._may_hold(text):
            return text
        for pattern, replace in self._forms or self._compile():
            text = pattern.sub(replace, text)
        return self._assignments_in(text)

    def _assignments_in(self, text: str) -> str:
        """Replace secret values that a text assigns to names.

        What is no secret may hold one: ``url=https://host/?token=…``. So the search goes on
        behind such a name, not behind its value.
        """
        done, at = "", 0
        while (head := self._assignment.search(text, at)) is not None:
            value = (
                self._assigned_value.match(text, head.end()) if self.is_secret(head[1]) else None
            )
            done += text[at : head.end()] + (self._hidden(value[0]) if value else "")
            at = value.end() if value else head.end()
        return done + text[at:]

    def named(self, name: str, value: str) -> str:
        """What is shown of a text under a name."""
        if not self.is_secret(name):
            return self.text(value)
        self.learn(value)
        return REDACTED

    def _may_hold(self, text: str) -> bool:
        """Whether a text needs a closer look."""
        lower = text.lower()
        if _holds_any(lower, self._stems) or ("@" in lower and self._may_be_login(lower)):
            return True
        return _holds_any(lower, _SECOND_WORDS) and _holds_any(lower, _FIRST_WORDS)

    def _may_be_login(self, text: str) -> bool:
        """Whether a text with an ``@`` may have a password before it, as addresses have."""
        return "://" in text or (":" in text.partition("@")[0] and " " not in text)

    def source(self, line: str) -> str:
        """Replace the secrets that a line of source code spells out.

        Only literals: ``password = read()`` is no secret, and a reader wants to see it.
        """
        if not self._may_hold(line):
            return line
        for pattern, replace in (self._forms or self._compile())[:4]:
            line = pattern.sub(replace, line)
        return str(self._literal.sub(self._spelled, line))

    def _spelled(self, match: Any) -> str:
        if not self.is_secret(match[1]):
            return match[0]  # type: ignore[no-any-return]
        return match[1] + match[2] + match[3][0] + REDACTED + match[3][-1]  # type: ignore[no-any-return]

    def scrub(self, text: str) -> str:
        """Replace the secrets that are known by now.

        One may be a part of another, or overlap with it: all are found in the text as it is.
        """
        covered: list[tuple[int, int]] = []
        for secret in self._known:  # the longest first
            if secret in text:
                covered += _places(text, secret, covered)
            if _CUT in text:
                covered += _cut_places(text, secret)
        return _without(text, covered) if covered else text

    @property
    def knows_any(self) -> bool:
        """Whether there is anything to scrub."""
        return bool(self._known)

    def _compile(self) -> list[tuple[Any, Callable[[Any], str]]]:
        """Make the patterns, only for a process that meets a text that may need them."""
        import re  # costs 6 ms

        self._literal = re.compile(
            r"""([A-Za-z_][\w-]*)(["']?\]?\s*(?::\s*[\w\[\]]+\s*)?[=:]\s*[rbuf]{0,2})"""
            r"""("[^"]+"|'[^']+')"""
        )
        private_key = r"-----BEGIN [A-Z0-9 ]*PRIVATE KEY-----.*?(?:-----END [A-Z0-9 ]*-----|\Z)"
        quoted = r""""(?:[^"\\]|\\.)*"?|'(?:[^'\\]|\\.)*'?"""
        plain = "(?!(?i:mailto|sips?|xmpp|acct):)"  # has no password before its "@"
        escaped = r"""(\\+["']).*?(?:\1|\Z)"""  # as in JSON within JSON
        self._assignment = re.compile(r"""(\b[A-Za-z_][\w-]*)\\*["']?\]?\s*(?:=>|[=:])\s*""")
        self._assigned_value = re.compile(
            rf"""\[redacted\]|{quoted}|{escaped}|[^\s,;&"'}})\]]+""", re.DOTALL
        )
        self._forms = [
            (re.compile(private_key, re.DOTALL), self._whole),
            (re.compile(r"\beyJ[\w-]{5,}(?:\.[\w-]*){1,4}"), self._whole),
            (re.compile(r"(?i)\b((?:bearer|basic)\s+)([\w.~+/=-]{6,})"), self._second),
            (
                re.compile(r"(?i)(\b[a-z][a-z0-9+.-]*://[^\s/@:'\"]*:)([^\s/@'\"]+)(?=@)"),
                self._second,
            ),
            (re.compile(rf"\A({plain}[^\s/@:'\"]*:)([^\s/@'\"]+)(?=@[^\s/@]+\Z)"), self._second),
            (re.compile(r"(?im)(\bcookie['\"]?\s*:\s*)(?!\[redacted)([^\r\n]+)"), self._second),
            (re.compile(r"(--?[A-Za-z][\w-]*)(\s+)([^\s-]\S*)"), self._argument),
        ]
        return self._forms

    def _whole(self, match: Any) -> str:
        self.learn(match[0])
        return REDACTED

    def _second(self, match: Any) -> str:
        self.learn(match[2])
        return match[1] + REDACTED  # type: ignore[no-any-return]

    def _argument(self, match: Any) -> str:
        if not self.is_secret(match[1]):
            return match[0]  # type: ignore[no-any-return]
        return match[1] + match[2] + self._hidden(match[3])  # type: ignore[no-any-return]

    def _hidden(self, value: str) -> str:
        """What stands for a secret value, learnt with this, in the quotes that it has."""
        unescaped = value.lstrip("\\")
        quote = value[: len(value) - len(unescaped) + 1] if unescaped[:1] in _QUOTES else ""
        bare = value.removeprefix(quote).removesuffix(quote)
        if bare in ("", "None", "null", REDACTED):
            return value
        if bare.lower() not in _SCHEMES:
            self.learn(bare)
        return f"{quote}{REDACTED}{quote}"


def _places(text: str, secret: str, covered: list[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    """Where a secret begins and ends; a short one not as a part of a longer word."""
    at = text.find(secret)
    while at >= 0:
        end = at + len(secret)
        if len(secret) >= _KNOWN_ANYWHERE or not (
            _goes_on(text, at - 1, covered) or _goes_on(text, end, covered)
        ):
            yield at, end
        at = text.find(secret, at + 1)


def _goes_on(text: str, at: int, covered: list[tuple[int, int]]) -> bool:
    """Whether a character continues the word beside it, and is no part of another secret."""
    if not (0 <= at < len(text) and text[at].isalnum()):
        return False
    return not any(start <= at < end for start, end in covered)


def _cut_places(text: str, secret: str) -> Iterator[tuple[int, int]]:
    """Where the beginning of a secret stands that a limit cut off."""
    end = text.find(_CUT)
    while end >= 0:
        for length in range(min(len(secret), end), _SHORT, -1):
            if text.endswith(secret[:length], 0, end):
                yield end - length, end
                break
        end = text.find(_CUT, end + 1)


def _without(text: str, covered: list[tuple[int, int]]) -> str:
    """Replace what is covered; what overlaps becomes one."""
    result, done = "", 0
    for start, end in sorted(covered):
        if start >= done:
            result += text[done:start] + REDACTED
        done = max(done, end)
    return result + text[done:]
