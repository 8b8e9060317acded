from etcdmeta.consensus.etcd.picker import FIRST_BACKOFF, LAST_BACKOFF, PROOF_LASTS, Picker


def test_the_given_order_is_the_first() -> None:
    assert Picker(["a", "b", "c"]).order(0) == ["a", "b", "c"]


def test_the_last_good_one_comes_first() -> None:
    picker = Picker(["a", "b", "c"])
    picker.mark_good("c", 1)
    assert picker.order(1) == ["c", "a", "b"]


def test_a_failed_one_comes_last_until_its_back_off_is_over() -> None:
    picker = Picker(["a", "b"])
    picker.mark_failed("a", 10)
    assert picker.order(10) == ["b", "a"]
    assert picker.order(10 + FIRST_BACKOFF) == ["a", "b"]


def test_back_off_doubles_to_its_end_and_starts_anew_after_an_answer() -> None:
    picker = Picker(["a", "b"])
    for _ in range(3):
        picker.mark_failed("a", 0)
    assert picker.order(4 * FIRST_BACKOFF - 0.01) == ["b", "a"]
    assert picker.order(4 * FIRST_BACKOFF) == ["a", "b"]
    for _ in range(2000):
        picker.mark_failed("a", 0)
    assert picker.order(LAST_BACKOFF) == ["a", "b"]
    picker.mark_good("a", 0)
    picker.mark_failed("a", 0)
    assert picker.order(FIRST_BACKOFF) == ["a", "b"]


def test_where_all_failed_the_soonest_is_tried_first() -> None:
    picker = Picker(["a", "b", "c"])
    for time, name in enumerate("bca"):
        picker.mark_failed(name, time / 10)
    assert picker.order(0.3) == ["b", "c", "a"]


def test_an_answer_proves_for_a_moment_and_until_a_failure() -> None:
    picker = Picker(["a", "b"])
    assert picker.proven(0) is None
    picker.mark_good("b", 0)
    assert picker.proven(PROOF_LASTS - 0.01) == "b"
    assert picker.proven(PROOF_LASTS) is None
    picker.mark_good("b", 5)
    picker.mark_failed("b", 5)
    assert picker.proven(5) is None
