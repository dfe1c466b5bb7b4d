"""Blind votes on two answers at a time: kept, ranked, judged themselves, and made into preference pairs."""

from doneness.review.agreement import Agreement, Bias, alpha, biases, judged
from doneness.review.deck import Deck, deal, name_of
from doneness.review.export import as_csv, as_jsonl
from doneness.review.pairs import Left, Lengths, Pair, apart, lengths, matched, preferred
from doneness.review.picking import Habits, current, pick
from doneness.review.points import count, unit_of
from doneness.review.ranking import Ranking, rank
from doneness.review.schema import FILE
from doneness.review.settled import MARGIN, Settled, settled
from doneness.review.votes import KINDS, TAGS, VERDICTS, Book, Showing, Vote, new_token, now, open_book, read_book

__all__ = [
    "FILE",
    "KINDS",
    "MARGIN",
    "TAGS",
    "VERDICTS",
    "Agreement",
    "Bias",
    "Book",
    "Deck",
    "Habits",
    "Left",
    "Lengths",
    "Pair",
    "Ranking",
    "Settled",
    "Showing",
    "Vote",
    "alpha",
    "apart",
    "as_csv",
    "as_jsonl",
    "biases",
    "count",
    "current",
    "deal",
    "judged",
    "lengths",
    "matched",
    "name_of",
    "new_token",
    "now",
    "open_book",
    "pick",
    "preferred",
    "rank",
    "read_book",
    "settled",
    "unit_of",
]
