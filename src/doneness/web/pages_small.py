"""The two pages without a run: the one that asks for the token, and the one that says what went wrong."""

from __future__ import annotations

from html import escape

from doneness.web.page_state import PageState
from doneness.web.pages_shell import t


def login(state: PageState) -> str:
    """A plain form; `state.data` has `next`, where to go on to, and `fault`, what was wrong with the last try."""
    fault = str(state.data.get("fault") or "")
    said = f'<p id="fault" class="warning" role="alert">{escape(fault)}</p>' if fault else ""
    described = ' aria-describedby="fault" aria-invalid="true"' if fault else ""
    return (
        f'<form class="login" method="post" action="/login"><h1>{t("login.title")}</h1>'
        f'<p class="lead">{t("login.lead")}</p>{said}'
        f'<input type="hidden" name="csrf" value="{escape(state.csrf)}">'
        f'<input type="hidden" name="next" value="{escape(str(state.data.get("next") or "/"))}">'
        f"<label><span>{t('login.token')}</span>"
        '<input name="token" type="password" required autocomplete="current-password" '
        f'autofocus spellcheck="false"{described}></label><button class="main">{t("login.enter")}</button></form>'
    )


def fault(state: PageState) -> str:
    """What went wrong, in one sentence, and the way back."""
    text = escape(str(state.data.get("text") or ""))
    return f'<h1>{t("fault.title")}</h1><p>{text}</p><p><a href="/">{t("home")}</a></p>'
