"""The real servers and terminals that the tests run against, each one private, on loopback, and ended by its test."""
