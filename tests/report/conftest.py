from __future__ import annotations

from collections.abc import Iterator

import pytest
import report_samples as samples

from doneness.core.catalogue import entries
from doneness.report import Extras, ReportView, build


@pytest.fixture(autouse=True)
def sample_texts(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The samples speak through the catalogue like everything else."""
    for lang, texts in samples.TEXTS.items():
        for key, text in texts.items():
            monkeypatch.setitem(entries(lang), key, text)
    monkeypatch.setenv("DONENESS_LANG", "en")
    yield


@pytest.fixture
def extras() -> Extras:
    return Extras(samples.table(), samples.choice(), samples.answers(), samples.RECIPE, samples.CARD)


@pytest.fixture
def view(extras: Extras) -> ReportView:
    return build(samples.full_run(), samples.full_diagnosis(), extras, "en")
