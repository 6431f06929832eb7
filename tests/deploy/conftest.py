import pytest


def pytest_sessionfinish(session, exitstatus):
    """All skipped is not passed: CTest is told so (run turns 5 into 77)."""
    reporter = session.config.pluginmanager.getplugin("terminalreporter")
    if exitstatus == 0 and reporter.stats.get("skipped") and not reporter.stats.get("passed"):
        session.exitstatus = pytest.ExitCode.NO_TESTS_COLLECTED
