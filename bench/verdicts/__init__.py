"""Verdicts beside those of other tools: planted truth, real logs cut and asked, regret against compute."""
