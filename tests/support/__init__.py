"""What several test files share: a clock, waits, crowds of threads, real services and servers."""
