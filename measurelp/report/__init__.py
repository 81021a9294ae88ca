"""A solution as one page that explains itself: no network, no server, no other file."""

from measurelp.report.page import report_html, write_report

__all__ = ["report_html", "write_report"]
