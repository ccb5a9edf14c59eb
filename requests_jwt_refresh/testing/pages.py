"""The pages of an OpenID provider: plain, and nothing in them from elsewhere."""

from __future__ import annotations

import secrets
from html import escape
from typing import TYPE_CHECKING, Final

from requests_jwt_refresh.testing.values import ServerResponse

if TYPE_CHECKING:
    from collections.abc import Mapping

_STYLE: Final = (
    "body{font:1rem/1.5 sans-serif;max-width:26rem;margin:3rem auto;padding:0 1rem}"
    "label,input{display:block;width:100%;box-sizing:border-box}"
    "input{margin-bottom:1rem;padding:.5rem}button{padding:.5rem 1.5rem;margin-right:.5rem}"
)
_CREDENTIALS: Final = (
    '<label>User<input name="username" autocomplete="username" autofocus></label>'
    '<label>Password<input name="password" type="password" autocomplete="current-password"></label>'
)
_DECISION: Final = (
    '<button name="decision" value="allow">Allow</button>'
    '<button name="decision" value="deny">Deny</button>'
)
_SUBMIT: Final = "document.forms[0].submit()"


def make_page(title: str, content: str, *, status: int = 200, script: str = "") -> ServerResponse:
    """Return a page; `content` is HTML, `title` is text."""
    key = secrets.token_urlsafe(16)
    policy = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"
    policy += "; base-uri 'none'; frame-ancestors 'none'"
    if script:
        policy += f"; script-src 'nonce-{key}'"
        content += f'<script nonce="{key}">{script}</script>'
    text = (
        '<!doctype html><html lang="en"><meta charset="utf-8">'
        '<link rel="icon" href="data:,">'
        f"<title>{escape(title)}</title><style>{_STYLE}</style>"
        f"<h1>{escape(title)}</h1>{content}</html>\n"
    )
    headers = {
        "Content-Type": "text/html; charset=utf-8",
        "Cache-Control": "no-store",
        "Content-Security-Policy": policy,
        "Referrer-Policy": "no-referrer",
    }
    return ServerResponse(status, text.encode(), headers)


def make_error_page(code: str, text: str) -> ServerResponse:
    """Return what a person sees where nothing may be sent to the client (RFC 6749 §4.1.2.1)."""
    return make_page("Error", f"<p>{escape(code)}: {escape(text)}</p>", status=400)


def make_login_page(
    action: str, hidden: Mapping[str, str], client: str, *, user: str | None, problem: str = ""
) -> ServerResponse:
    """Return the page that asks who it is, unless `user` is known, and for consent."""
    who = _CREDENTIALS if user is None else f"<p>Logged in as {escape(user)}.</p>"
    warning = f'<p role="alert">{escape(problem)}</p>' if problem else ""
    asked = f"<p>{escape(client)} asks for access.</p>"
    form = f'<form method="post" action="{escape(action)}">'
    content = f"{asked}{warning}{form}{_hide(hidden)}{who}{_DECISION}</form>"
    return make_page("Log in", content)


def make_form_post(action: str, fields: Mapping[str, str]) -> ServerResponse:
    """Return the page that posts `fields` by itself (OAuth 2.0 Form Post Response Mode)."""
    form = f'<form method="post" action="{escape(action)}">{_hide(fields)}'
    button = "<noscript><button>Continue</button></noscript></form>"
    return make_page("Continue", form + button, script=_SUBMIT)


def make_device_page(action: str, user_code: str, problem: str = "") -> ServerResponse:
    """Return the page on which a person types a user code (RFC 8628 §3.3)."""
    warning = f'<p role="alert">{escape(problem)}</p>' if problem else ""
    code = f'<label>Code<input name="user_code" value="{escape(user_code)}"></label>'
    form = f'<form method="post" action="{escape(action)}">{code}{_CREDENTIALS}{_DECISION}</form>'
    return make_page("Connect a device", warning + form)


def make_logout_page(action: str, hidden: Mapping[str, str]) -> ServerResponse:
    """Return the page that asks before it ends the session."""
    form = f'<form method="post" action="{escape(action)}">{_hide(hidden)}'
    button = '<button name="logout" value="yes">Log out</button></form>'
    return make_page("Log out?", form + button)


def _hide(fields: Mapping[str, str]) -> str:
    return "".join(
        f'<input type="hidden" name="{escape(name)}" value="{escape(value)}">'
        for name, value in fields.items()
    )
