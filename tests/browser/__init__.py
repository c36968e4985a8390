"""The page in a real browser. A package, so that browser and service are closed when its last test is done."""
