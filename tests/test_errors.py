"""The error family: one line, three parts, whole across processes."""

from __future__ import annotations

import pickle

from zsl_bench.errors import VideoError, ZslBenchError, listing, near_matches


def test_a_message_is_one_line_with_all_parts():
    error = ZslBenchError("open\n it", found="no\nfile", fix="make\tone")
    assert str(error) == "open it: no file; make one"


def test_an_error_crosses_a_process_boundary_whole():
    error = pickle.loads(pickle.dumps(VideoError("a", found="b", fix="c")))  # noqa: S301
    assert type(error) is VideoError
    assert (error.asked, error.found, error.fix) == ("a", "b", "c")


def test_near_matches_ignore_case_and_else_list_the_choices():
    assert near_matches("UCF11", ["ucf101", "hmdb51"]) == "did you mean 'ucf101'?"
    assert near_matches("zzz", ["ucf101", "hmdb51"]) == "choose from hmdb51, ucf101"
    shown = [f"n{i:02d}" for i in range(21)]
    assert near_matches("zzz", shown[:20]) == f"choose from {', '.join(shown[:20])}"
    assert near_matches("zzz", shown) == f"choose from {', '.join(shown[:20])}, ..."
    assert near_matches("x", []) == "there are none to choose from"


def test_long_lists_are_cut():
    assert listing("abcdefg") == "a, b, c, d, e and 2 more"
    assert listing("ab") == "a, b"


def test_messages_hold_nothing_that_a_terminal_acts_on():
    error = ZslBenchError("a\nb", found="\x1b[2Jgone\x07 \udc80", fix="caf\u00e9 \u2192 x")
    assert str(error) == "a b: \\x1b[2Jgone\\x07 \\udc80; caf\u00e9 \u2192 x"
