"""The pages: each paints from the server's HTML alone; small modules add what is live."""

from __future__ import annotations

from doneness.core import speaking
from doneness.web import pages_answers, pages_compare, pages_review, pages_run, pages_runs, pages_small
from doneness.web.page_state import PageState
from doneness.web.pages_shell import shell

_MADE = {
    "runs": pages_runs.runs,
    "run": pages_run.run,
    "answers": pages_answers.answers,
    "review": pages_review.review,
    "compare": pages_compare.compare,
    "login": pages_small.login,
    "fault": pages_small.fault,
}


def render(page: str, state: PageState) -> str:
    """The HTML of a page.

    Args:
        page: one of `page_state.PAGES`.
        state: the request and what to show.

    Raises:
        KeyError: there is no such page.
    """
    with speaking(state.lang):
        return shell(page, state, _MADE[page](state))
