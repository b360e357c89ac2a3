"""Travis CI as a source of builds."""
