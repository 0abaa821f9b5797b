"""The interview kit: question bank, quizzes, flashcards and the mock interview.

In a notebook::

    interview_questions("03_recurrent_networks")   # the bank's questions, with folded answers
    quiz("03_recurrent_networks", 4)               # the quiz that closes section 4
    flashcards(language="zh")                      # the cards that are due
    export_anki("interview.apkg")                  # the bank as a deck for Anki
    mock_interview(minutes=20)                     # Am I ready?

The texts stand in ``bank/`` and ``quizzes/``, for people to read and mend.
"""

from helpers.interview.anki import export_anki
from helpers.interview.deck import flashcards
from helpers.interview.quiz import quiz
from helpers.interview.room import mock_interview
from helpers.interview.show import interview_questions

__all__ = ["export_anki", "flashcards", "interview_questions", "mock_interview", "quiz"]
