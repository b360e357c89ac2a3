"""Docker engines: containers, images, volumes, networks (https://docs.docker.com/reference/api/engine/)."""
