"""One name for a data set with settings."""

from merbench.results.dataset_name import ordered


def test_the_order_of_settings_does_not_matter():
    assert ordered("sample:train=9,seed=1") == ordered("sample:seed=1,train=9")
    assert ordered("sample:seed=1") == "sample:seed=1"
    assert ordered("mosi") == "mosi"
