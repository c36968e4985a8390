"""The operations of the service, a module for each part of the address space."""
