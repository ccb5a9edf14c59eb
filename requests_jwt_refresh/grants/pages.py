"""What a browser is shown after a login: one page, without anything from elsewhere.

No script, no image, no link. All that comes from outside is escaped, and the content policy lets
nothing run or load even if it were not.
"""

from __future__ import annotations

import base64
import hashlib
from html import escape
from http import HTTPStatus
from typing import Final, NamedTuple

from requests_jwt_refresh.errors import capitalize

_MAX_SHOWN: Final = 500  # characters of what a server says
_STYLE: Final = (
    ":root{color-scheme:light dark}"
    "body{font:1.1rem/1.5 system-ui,sans-serif;max-width:34rem;margin:15vh auto;padding:0 1.5rem;"
    "overflow-wrap:anywhere}"
    "h1{font-size:1.6rem;line-height:1.25}"
    "h1::before{margin-right:.6rem}"
    ".done::before{content:'\\2713';color:#2da44e}"  # a check mark; readable on light and dark
    ".failed::before{content:'\\2717';color:#e0483e}"  # a cross
    "blockquote{margin:1rem 0 1.5rem;padding:.1rem 1rem;border-left:.25rem solid #8888}"
    "blockquote p{margin:.4rem 0}"
)
_STYLE_HASH: Final = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
_POLICY: Final = (
    f"default-src 'none'; style-src 'sha256-{_STYLE_HASH}'; img-src data:; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'"
)
_HEADERS: Final = {
    "Connection": "close",
    "Cache-Control": "no-store",
    "Content-Security-Policy": _POLICY,
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}
_TEMPLATE: Final = """\
<!DOCTYPE html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<link rel="icon" href="data:,">
<title>{title}</title>
<style>{style}</style>
<h1 class="{mark}">{title}</h1>
{paragraphs}
</html>
"""


class Page(NamedTuple):
    """A response of the receiver's."""

    status: HTTPStatus
    media_type: str
    text: str

    def encode(self) -> bytes:
        """Return it as it is sent (RFC 9112)."""
        body = self.text.encode()
        fields = {
            "Content-Type": f"{self.media_type}; charset=utf-8",
            "Content-Length": str(len(body)),
            **_HEADERS,
        }
        lines = [f"HTTP/1.1 {self.status.value} {self.status.phrase}"]
        lines += [f"{name}: {value}" for name, value in fields.items()]
        return "\r\n".join([*lines, "", ""]).encode() + body


def make_page(title: str, *sentences: str, mark: str = "", quote: str | None = None) -> Page:
    """Return a page for a person; `mark` is done or failed; `quote` is what the server says."""
    paragraphs = [f"<p>{escape(each)}</p>" for each in sentences]
    if quote:
        shown = strip_unprintable(quote)
        said = f"<p>The server says:</p>\n<blockquote><p>{escape(shown)}</p></blockquote>"
        paragraphs.insert(1, said)
    shown_title, body = escape(title), "\n".join(paragraphs)
    text = _TEMPLATE.format(title=shown_title, style=_STYLE, mark=mark, paragraphs=body)
    return Page(HTTPStatus.OK, "text/html", text)


def make_plain(status: HTTPStatus, text: str) -> Page:
    """Return a response for what is no person's browser, or not in this login."""
    return Page(status, "text/plain", f"{text}\n")


def strip_unprintable(text: str) -> str:
    """Return a text without control characters, cut to what a page has room for."""
    return "".join(each for each in text[:_MAX_SHOWN] if each.isprintable())


LOGGED_IN: Final = make_page(
    "You are logged in", "You can close this window and go back to your program.", mark="done"
)
ENDED: Final = make_page(
    "This login has ended", "It was answered before. You can close this window."
)
NOT_FOUND: Final = make_plain(HTTPStatus.NOT_FOUND, "There is nothing here.")
BAD_REQUEST: Final = make_plain(HTTPStatus.BAD_REQUEST, "This is no response to the login.")


def make_failure(cause: str, remedy: str, quote: str | None = None) -> Page:
    """Return the page of a login that failed."""
    sentences = [f"{capitalize(each)}." for each in (cause, remedy)]
    return make_page("You are not logged in", *sentences, mark="failed", quote=quote)
