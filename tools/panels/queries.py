"""What the panels' queries are made of. Grafana fills in the instances and the window of rates."""

CHOSEN = 'instance=~"$instance"'
RATE = "[$__rate_interval]"


def rate(series, by, where=""):
    """The rate of a counter, summed by some of its labels."""
    wanted = f"{CHOSEN}, {where}" if where else CHOSEN
    grouped = f" by ({by})" if by else ""
    return f"sum{grouped} (rate({series}{{{wanted}}}{RATE}))"


def quantile(share, series, by="", where=""):
    """A quantile of a histogram."""
    labels = f"le, {by}" if by else "le"
    return f"histogram_quantile({share}, {rate(series + '_bucket', labels, where)})"


def mean(series, by):
    """The mean of a histogram."""
    return f"{rate(series + '_sum', by)} / {rate(series + '_count', by)}"


def gauge(how, series, by, where=""):
    """A gauge over the instances."""
    wanted = f"{CHOSEN}, {where}" if where else CHOSEN
    return f"{how} by ({by}) ({series}{{{wanted}}})" if by else f"{how} ({series}{{{wanted}}})"


CHECKS = "subzero_checks_total"
