"""Programs of the developers, and what they share with the tests: fakes of the services, servers, faults."""
